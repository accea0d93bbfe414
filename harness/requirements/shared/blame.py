"""Find the layer at fault for a failure: the description, the tolerance, the exporter or ONNX
Runtime.

The failing example is examined again with the files run in other ways. If it passes without the
runtime's optimiser, the optimiser is at fault. If it passes only in onnx's reference evaluator, a
kernel of the runtime is at fault. If it passes in neither, the file is wrong, so the exporter is at
fault.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

from harness.configs.axes import shape_problems
from harness.errors import RuntimeRefusalError
from harness.evidence.eager_executions import EAGER, EAGER_FLOAT64, PerturbedEager
from harness.evidence.evaluator import EVALUATOR, UndecidedError
from harness.evidence.execution import OPTIMISED, PLAIN
from harness.evidence.reference import EagerError
from harness.evidence.tolerance import SMALLEST_ATOL, Origin
from harness.requirements._module_comparison import ModuleComparison
from harness.requirements._movement import enlarged
from harness.requirements._node_comparison import NodeComparison
from harness.requirements._scope import blame_beyond_float32
from harness.requirements.shared.comparison import DECISIVE_FACTOR, ROUNDING_FACTOR
from harness.requirements.shared.requirement import EXPORTER, Blame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.evidence.execution import Execution, Loader
    from harness.requirements.shared.requirement import Examined, Failure

RUNTIME = "onnxruntime"

_REMEDIES: Mapping[Origin, str] = {
    Origin.STATED: "measure it with `python -m harness tolerances`",
    Origin.STORED: "measure it with `python -m harness tolerances --write`",
    Origin.GIVEN: "give a larger --atol, or none, and it is measured",
    Origin.MEASURED: "it was measured on other examples; give a larger --atol, or store one for a "
    "tiny model with `python -m harness tolerances --write`",
}
"""What to do about a tolerance that is too small."""
NOT_DETERMINISTIC = Blame(
    "exporter",
    "the exporter is at fault: the file is not deterministic, since a second run agrees with eager "
    "PyTorch",
)
EAGER_AS_DESCRIBED_DISAGREES = Blame(
    "harness",
    "the description is at fault: eager PyTorch, fed and composed as described, differs from its "
    "own full forward",
)
EAGER_CONTRADICTS_SHAPES = Blame(
    "harness",
    "the description is at fault: the output shapes of eager PyTorch contradict it too",
)

ROUNDING_EXCEPTION = (
    "; at most one example in twenty is left out, if the rounding error of eager PyTorch exceeds "
    "atol there and explains the difference"
)
"""End of `fails_when` of each requirement that has `measure_rounding`."""

PERTURBATION_COUNT = 32
"""Number of perturbed models. If a file breaks a tie in another way than eager PyTorch, about one
perturbed model in sixteen does so too."""

PERTURBATION_COUNT_OF_LARGE_MODEL = 4
"""A large model takes seconds to copy, so fewer perturbed ones are tried."""

_LARGE = 4
"""Least axis size for comparing modules: a single token attends only to itself, which hides errors
in attention."""


def blame_by_execution(failure: Failure) -> Blame:
    """Return the blame for outputs that differ from eager PyTorch, or for a refusal to run."""
    repeated = failure.examine_under(OPTIMISED)
    if _passes(repeated):
        return NOT_DETERMINISTIC
    if not _passes_under(failure, EAGER):
        return EAGER_AS_DESCRIBED_DISAGREES
    if (beyond := _blame_dtype_of_files(failure)) is not None:
        return beyond
    if explaining_rounding(repeated, failure, measure_rounding) is not None:
        return _blame_tolerance(failure)
    return (
        _blame_optimiser(failure)
        if _passes_under(failure, PLAIN)
        else _blame_kernel_or_exporter(failure)
    )


def blame_by_execution_and_module(failure: Failure) -> Blame:
    """As `blame_by_execution`; if the exporter wrote wrong values, also name the first module whose
    output is wrong.

    Use it only for feeds in which every value of eager PyTorch is defined: a correct file may
    differ at undefined values.
    """
    found = blame_by_execution(failure)
    if found.layer != EXPORTER.layer or found is NOT_DETERMINISTIC or _is_refusal(failure):
        return found
    large = dict.fromkeys(failure.example.axes, _LARGE)
    for example in (enlarged(failure.sides.config, failure.example, large), failure.example):
        comparison = ModuleComparison(failure.tolerance)
        with contextlib.suppress(UndecidedError):
            failure.examine_under(comparison, example=example)
        if comparison.module is not None:
            text = f"first module whose output is not among the file's values: {comparison.module}"
            return Blame(found.layer, f"{found.reason}; {text}")
    return found


def _blame_dtype_of_files(failure: Failure) -> Blame | None:
    """Return the blame if any file of the cell is quantised or in half precision."""
    files = failure.sides.subject.files.parts.values()
    return blame_beyond_float32(file.model_proto for file in files)


def _blame_tolerance(failure: Failure) -> Blame:
    origin = failure.tolerance.origin
    reason = "atol is smaller than 10 x the rounding error of eager PyTorch here"
    return Blame("harness", f"the tolerance is at fault: {reason}; {_REMEDIES[origin]}")


def _blame_optimiser(failure: Failure) -> Blame:
    node = _node_text(failure, suspect=OPTIMISED, trusted=PLAIN)
    reason = f"ONNX Runtime's optimiser is at fault: {PLAIN.name} agrees with eager PyTorch"
    return Blame(RUNTIME, f"{reason}{node}")


def _blame_kernel_or_exporter(failure: Failure) -> Blame:
    try:
        if _passes_under(failure, EVALUATOR):
            return Blame(RUNTIME, f"ONNX Runtime's kernel is at fault: {_kernel_reason(failure)}")
    except UndecidedError as error:
        reason = f"{PLAIN.name} does not agree with eager PyTorch either"
        probable = f"the exporter is probably at fault: {reason}"
        return Blame(EXPORTER.layer, f"{probable}; {EVALUATOR.name} cannot decide: {error}")
    executions = f"{PLAIN.name} nor {EVALUATOR.name}"
    return Blame(
        EXPORTER.layer, f"the exporter is at fault: neither {executions} agrees with eager PyTorch"
    )


def _kernel_reason(failure: Failure) -> str:
    """Return the text that says why the runtime is blamed. It may be right to refuse a file: the
    reference evaluator, which accepted it, does not check every rule of the ONNX standard."""
    if not _is_refusal(failure):
        node = _node_text(failure, suspect=PLAIN, trusted=EVALUATOR)
        return f"{EVALUATOR.name} agrees with eager PyTorch{node}"
    return (
        f"it refuses a file that {EVALUATOR.name} computes correctly, unless the file breaks a "
        "rule of the standard that the evaluator does not check"
    )


def blame_runtime(failure: Failure) -> Blame:
    """Blame ONNX Runtime for optimisation levels that differ, and name the first different node."""
    if (beyond := _blame_dtype_of_files(failure)) is not None:
        return beyond
    node = _node_text(failure, suspect=OPTIMISED, trusted=PLAIN)
    return Blame(RUNTIME, f"ONNX Runtime is at fault{node}" if node else "")


def blame_by_declared_shapes(failure: Failure) -> Blame:
    """Blame the description if eager's output shapes contradict it too, else the exporter."""
    sides = failure.sides
    try:
        shapes = {name: a.shape for name, a in sides.reference(failure.example).items()}
    except EagerError:
        return EXPORTER
    if not any(shape_problems(sides.config.outputs, shapes, failure.example.axes)):
        return EXPORTER
    return EAGER_CONTRADICTS_SHAPES


def measure_rounding(failure: Failure) -> float:
    """Return eager PyTorch's own rounding error on the failing example, as a multiple of atol;
    infinite if it cannot be measured.

    The error is the largest difference between float32 and float64. If that is at most atol, models
    with perturbed weights are tried, and the first difference of at least 10 x atol is the error.
    """
    is_large = failure.sides.subject.copies.is_large
    count = PERTURBATION_COUNT_OF_LARGE_MODEL if is_large else PERTURBATION_COUNT
    return measure_rounding_with(failure.examine_under, count=count)


def measure_rounding_with(
    run: Callable[[Execution], Examined], *, count: int = PERTURBATION_COUNT
) -> float:
    """As `measure_rounding`; `run` compares eager PyTorch with the given execution.

    `count` perturbed models are tried.
    """
    exact = largest_ratio(run(EAGER_FLOAT64))
    if exact > 1:
        return exact
    jumps = (largest_ratio(run(PerturbedEager(seed))) for seed in range(count))
    return next((jump for jump in jumps if jump >= DECISIVE_FACTOR), exact)


def is_within_rounding(
    examined: Examined, failure: Failure, measure: Callable[[Failure], float]
) -> bool:
    """Whether eager PyTorch's own rounding error explains the difference, and exceeds atol here.

    A measured tolerance need not be exceeded: it was measured on other examples than this one.
    False if no finite difference was measured, as for a refusal or an input without effect.
    """
    own = explaining_rounding(examined, failure, measure)
    return own is not None and (own > 1 or failure.tolerance.origin is Origin.MEASURED)


def explaining_rounding(
    examined: Examined, failure: Failure, measure: Callable[[Failure], float]
) -> float | None:
    """Return eager PyTorch's own rounding error, as a multiple of atol, if the file differs by at
    most 10 times that error; else None."""
    got = largest_ratio(examined)
    if not math.isfinite(got):
        return None
    own = measure(failure)
    return own if math.isfinite(own) and got <= ROUNDING_FACTOR * own else None


def largest_ratio(examined: Examined) -> float:
    """Return the largest difference as a multiple of atol; infinite if there is no measure."""
    ratios = (m.max_abs_diff / max(m.atol, SMALLEST_ATOL) for m in examined.measures)
    return max(ratios, default=math.inf)


def _passes_under(failure: Failure, execution: Execution) -> bool:
    return _passes(failure.examine_under(execution))


def _passes(examined: Examined) -> bool:
    return not examined.findings and examined.why_unobserved is None


def _node_text(failure: Failure, *, suspect: Loader, trusted: Loader) -> str:
    """Text that names the first node with different values, or "" if no node was found.

    For a refusal it is "", since the runtime's error message names the node.
    """
    if _is_refusal(failure):
        return ""
    comparison = NodeComparison(suspect=suspect, trusted=trusted, tolerance=failure.tolerance)
    try:
        failure.examine_under(comparison)
    except UndecidedError:
        return ""
    return f"; {comparison.result}" if comparison.result else ""


def _is_refusal(failure: Failure) -> bool:
    return failure.finding.error is RuntimeRefusalError
