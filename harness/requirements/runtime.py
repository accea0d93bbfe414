"""`runtime`: ONNX Runtime computes the same outputs with and without graph optimisations."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.errors import RuntimeRefusalError
from harness.evidence.execution import OPTIMISED, PLAIN, Level
from harness.evidence.session import CandidateError
from harness.requirements import agreement, determinism
from harness.requirements.shared.blame import (
    ROUNDING_EXCEPTION,
    blame_runtime,
    measure_rounding_with,
)
from harness.requirements.shared.comparison import compare, settle_ties
from harness.requirements.shared.requirement import (
    Examined,
    Failure,
    Finding,
    Requirement,
    refusal_reason,
)

if TYPE_CHECKING:
    from harness.evidence.example import Example
    from harness.evidence.execution import Execution
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import PartEvidence
    from harness.evidence.tolerance import Tolerance


def examine_example(part: PartEvidence, example: Example, tolerance: Tolerance) -> Examined:
    """Compare both optimisation levels on one example.

    If the file is not deterministic, the example is not observed: the runtime may be correct.
    """
    plain = _run(part.plain, example)
    optimised = _run(part, example)
    match plain, optimised:
        case CandidateError(), CandidateError():
            return Examined(why_unobserved=refusal_reason(optimised))
        case CandidateError(), _:
            return _refusal(part, plain, by=PLAIN, unlike=OPTIMISED)
        case _, CandidateError():
            return _refusal(part, optimised, by=OPTIMISED, unlike=PLAIN)
        case _:
            settled = settle_ties(plain, optimised, tolerance, choices=part.config.CHOICES)
            return _attach_levels(part, example, compare(plain, settled, tolerance), tolerance)


def _run(part: PartEvidence, example: Example) -> Arrays | CandidateError:
    try:
        return part.candidate(example)
    except CandidateError as error:
        return error


def _refusal(part: PartEvidence, error: object, *, by: Level, unlike: Level) -> Examined:
    message = f"ONNX Runtime at {by.name}: got {error}, expected it to run, as {unlike.name} does"
    return Examined((Finding(message=message, part=part.stem, error=RuntimeRefusalError),))


def _attach_levels(
    part: PartEvidence, example: Example, examined: Examined, tolerance: Tolerance
) -> Examined:
    if examined.findings and determinism.examine_example(part, example, tolerance).findings:
        return Examined(why_unobserved="the file is not deterministic")
    levels = f"{OPTIMISED.name} against {PLAIN.name}"
    findings = tuple(
        dataclasses.replace(f, message=f"{f.message}; {levels}", part=part.stem)
        for f in examined.findings
    )
    return dataclasses.replace(examined, findings=findings)


def _measure_rounding(failure: Failure) -> float:
    """Return the rounding error of eager PyTorch, measured with `agreement`.

    A comparison of the two levels cannot show it, since eager PyTorch is not involved.
    """

    def run(execution: Execution) -> Examined:
        sides = failure.sides.under(execution)
        return agreement.examine_sides(sides, failure.example, failure.tolerance)

    return measure_rounding_with(run)


REQUIREMENT = Requirement(
    id="runtime",
    rank=120,
    proves="outputs at ORT_ENABLE_ALL and at ORT_DISABLE_ALL agree within atol",
    fails_when="they differ, or one level refuses a feed that the other runs; ONNX Runtime is at "
    "fault then" + ROUNDING_EXCEPTION,
    examine_example=examine_example,
    explain=blame_runtime,
    measure_rounding=_measure_rounding,
)
