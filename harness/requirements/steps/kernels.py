"""`kernels`: the runtime computes what each operator of low precision is defined to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.evidence.session import CandidateError
from harness.requirements.shared.requirement import (
    Blame,
    Examined,
    Finding,
    Measure,
    Requirement,
)

if TYPE_CHECKING:
    from harness.evidence.example import Example
    from harness.evidence.kernels.results import KernelResults
    from harness.evidence.sides import PartEvidence
    from harness.evidence.tolerance import Tolerance

RUNTIME = Blame("onnxruntime")


def examine_part(part: PartEvidence, example: Example, tolerance: Tolerance) -> Examined:
    """Compute each node of low precision again, from the inputs that it had."""
    from harness.evidence.kernels.examine import examine_kernels

    feed = {name: tensor.numpy() for name, tensor in part.feed(example).items()}
    try:
        results = examine_kernels(part.file.loadable_path(), feed)
    except CandidateError as error:
        return Examined(why_unobserved=f"ONNX Runtime refuses: {error}")
    findings = (
        Finding(message=str(one), part=part.stem, blame=RUNTIME) for one in results.findings
    )
    unproved = (*results.without_kernel, *results.unchecked)
    return Examined(
        tuple(findings),
        measures=tuple(_measures(results)),
        doubts={str(one): f"{part.stem}: {one}" for one in unproved},
        notes=tuple(_notes(part.stem, results)),
    )


def _measures(results: KernelResults) -> Iterator[Measure]:
    """Yield how far each operator is off, in codes or ulps; the bound is the tolerance."""
    for one in results.operators:
        for off in one.differences:
            yield Measure(f"{one.operator}, in {off.unit}", off.value, off.bound, off.value)


def _notes(stem: str, results: KernelResults) -> Iterator[str]:
    """Yield which nodes were computed again, and what computed them first."""
    counts = ", ".join(f"{one.checked} {one.operator}" for one in results.operators)
    yield f"{stem}: computed again: {counts}"
    rows = results.rows
    if rows.compared:
        yield (
            f"{stem}: {rows.rows} rows alone and together: {rows.compared} results compared, "
            f"{rows.explained} of them may differ, since a scale or a rounding before them does"
        )
    facts = results.capabilities
    flags = " ".join(facts.flags) or "no special instructions"
    yield f"{facts.runtime} ({facts.provider}) on {facts.processor}: {flags}"


REQUIREMENT = Requirement(
    id="kernels",
    rank=4,
    proves="ONNX Runtime computes each node of low precision as the operator is defined, on that "
    "node's own inputs: integers exactly, codes to one, half precision to a few ulp",
    fails_when="a node's result is farther away, or a row depends on others of its batch by more "
    "than dynamic scales explain",
    sample=3,
    ignores_tolerance=True,
    examine_example=examine_part,
)
