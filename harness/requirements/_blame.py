"""Who a failure is the fault of: the description, the exporter, or the runtime and what in it.

The same examination is repeated with the files run in other ways. What is right without the
runtime's optimiser is its fault; what only onnx's reference evaluator computes rightly is the fault
of a kernel; what nobody does stands in the file.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

from harness.configs.axes import shape_problems
from harness.errors import RuntimeRefusalError
from harness.evidence.evaluator import EVALUATOR, UndecidedError
from harness.evidence.session import OPTIMISED, PLAIN
from harness.evidence.sides import EAGER, EXACT, EagerError, Nudged
from harness.requirements._base import EXPORTER, Blame
from harness.requirements._compare import DECISIVE, ROUNDINGS
from harness.requirements._divergence import Divergence
from harness.requirements._modules import Departure
from harness.requirements._movement import grown

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.evidence.session import Execution, Loader
    from harness.requirements._base import Examined, Failure

RUNTIME = "onnxruntime"

TOLERANCE = Blame(
    "harness",
    "the tolerance is to blame: eager PyTorch rounded otherwise is as far from eager PyTorch; "
    "measure it with `python -m harness tolerances`",
)
DICE = Blame("exporter", "run again it agrees with eager PyTorch: the file is not deterministic")
MISDESCRIBED = Blame(
    "harness",
    "the description is to blame: eager PyTorch, run as it says, does not agree with its own full "
    "forward",
)
UNDECLARED = Blame(
    "harness", "the description is to blame: eager PyTorch does not fit what it declares either"
)

UNLESS_UNSURE = (
    "; numbers of at most one example in twenty are left out where eager PyTorch rounded otherwise "
    "is as far from itself"
)
"""What is shown of requirements that ask for `rounding`."""

NUDGES = 32
"""Of a tie that the file takes otherwise, some sixteenth does so as well."""

_LARGE = 4
"""One token attends to itself alone, and leaves out what attention does."""


def by_execution(failure: Failure) -> Blame:
    """Who is to blame for numbers that are not those of eager PyTorch, or for none at all."""
    again = failure.again(OPTIMISED)
    if _is_clean(again):
        return DICE
    if not _is_right(failure, EAGER):
        return MISDESCRIBED
    if is_within_rounding(again, failure, rounding):
        return TOLERANCE
    return _optimiser(failure) if _is_right(failure, PLAIN) else _kernel_or_exporter(failure)


def by_execution_and_module(failure: Failure) -> Blame:
    """The same, and where an exporter is to blame for numbers the module that they go wrong in.

    For feeds in which eager PyTorch defines every value: a file may differ where it does not.
    """
    found = by_execution(failure)
    if found.layer != EXPORTER.layer or found is DICE or _is_refusal(failure):
        return found
    large = dict.fromkeys(failure.example.axes, _LARGE)
    for example in (grown(failure.sides.config, failure.example, large), failure.example):
        departure = Departure(failure.atol)
        with contextlib.suppress(UndecidedError):
            failure.again(departure, example=example)
        if departure.told is not None:
            told = f"first module without an equal value in the file: {departure.told}"
            return Blame(found.layer, f"{found.reason}; {told}")
    return found


def _optimiser(failure: Failure) -> Blame:
    where = _where(failure, suspect=OPTIMISED, trusted=PLAIN)
    reason = f"ONNX Runtime's optimiser is to blame: {PLAIN.name} agrees with eager PyTorch"
    return Blame(RUNTIME, f"{reason}{where}")


def _kernel_or_exporter(failure: Failure) -> Blame:
    asked = f"{PLAIN.name} nor {EVALUATOR.name}"
    try:
        if _is_right(failure, EVALUATOR):
            return Blame(RUNTIME, f"ONNX Runtime's kernel is to blame: {_kernel(failure)}")
    except UndecidedError as error:
        reason = f"{PLAIN.name} does not agree with eager PyTorch either"
        told = f"the exporter is to blame as far as can be told: {reason}"
        return Blame(EXPORTER.layer, f"{told}; {EVALUATOR.name} cannot tell: {error}")
    return Blame(
        EXPORTER.layer, f"the exporter is to blame: neither {asked} agrees with eager PyTorch"
    )


def _kernel(failure: Failure) -> str:
    """A refusal may also be right: the evaluator does not check all that the standard asks."""
    if not _is_refusal(failure):
        where = _where(failure, suspect=PLAIN, trusted=EVALUATOR)
        return f"{EVALUATOR.name} agrees with eager PyTorch{where}"
    return (
        f"it refuses what {EVALUATOR.name} computes rightly, or the evaluator forgives what the "
        "standard does not allow"
    )


def by_level(failure: Failure) -> Blame:
    """The runtime, whose levels differ, and where they do."""
    where = _where(failure, suspect=OPTIMISED, trusted=PLAIN)
    return Blame(RUNTIME, f"ONNX Runtime is to blame{where}" if where else "")


def by_declaration(failure: Failure) -> Blame:
    """The description where what eager PyTorch gives contradicts it as well."""
    sides = failure.sides
    try:
        shapes = {name: a.shape for name, a in sides.reference(failure.example).items()}
    except EagerError:
        return EXPORTER
    if not any(shape_problems(sides.config.outputs, shapes, failure.example.axes)):
        return EXPORTER
    return UNDECLARED


def rounding(failure: Failure) -> float:
    """How far eager PyTorch rounded otherwise is from itself where a failure shows: in float64, or,
    where that is less than atol, with its weights nudged, if that makes it jump. Infinite where it
    cannot be told."""
    return rounding_by(failure.again, failure.atol)


def rounding_by(run: Callable[[Execution], Examined], atol: float) -> float:
    """The same by a comparison of eager PyTorch with what is run."""
    exact = largest(run(EXACT))
    if exact > atol:
        return exact
    jumps = (largest(run(Nudged(seed))) for seed in range(NUDGES))
    return next((jump for jump in jumps if jump >= DECISIVE * atol), exact)


def is_within_rounding(
    examined: Examined, failure: Failure, rounding: Callable[[Failure], float]
) -> bool:
    """Whether eager itself rounds by more than atol here, and the file is not much further off.
    What has no size, such as a refusal or an input without effect, is no rounding."""
    got = largest(examined)
    if not math.isfinite(got):
        return False
    own = rounding(failure)
    return math.isfinite(own) and own > failure.atol and got <= ROUNDINGS * own


def largest(examined: Examined) -> float:
    """The largest difference that was measured; infinite where none was."""
    return max((measure.max_abs_diff for measure in examined.measures), default=math.inf)


def _is_right(failure: Failure, execution: Execution) -> bool:
    return _is_clean(failure.again(execution))


def _is_clean(examined: Examined) -> bool:
    return not examined.findings and examined.why_unobserved is None


def _where(failure: Failure, *, suspect: Loader, trusted: Loader) -> str:
    """The first node at which they part. Of a refusal the runtime's own words name it."""
    if _is_refusal(failure):
        return ""
    divergence = Divergence(suspect=suspect, trusted=trusted, atol=failure.atol)
    try:
        failure.again(divergence)
    except UndecidedError:
        return ""
    return f"; {divergence.told}" if divergence.told else ""


def _is_refusal(failure: Failure) -> bool:
    return failure.finding.error is RuntimeRefusalError
