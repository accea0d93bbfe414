"""`runtime`: ONNX Runtime computes the same with its graph optimisations and without."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.errors import RuntimeRefusalError
from harness.evidence.session import OPTIMISED, PLAIN, CandidateError, Level
from harness.requirements import agreement, determinism
from harness.requirements._base import Examined, Failure, Finding, Requirement, refused
from harness.requirements._blame import UNLESS_UNSURE, by_level, rounding_by
from harness.requirements._compare import compare, settle_ties

if TYPE_CHECKING:
    from harness.evidence.reference import Arrays
    from harness.evidence.session import Execution
    from harness.evidence.sides import Example, PartEvidence


def examine_example(part: PartEvidence, example: Example, atol: float) -> Examined:
    """Compare both levels; a file that is not deterministic proves nothing against the runtime."""
    plain = _attempt(part.plain, example)
    optimised = _attempt(part, example)
    match plain, optimised:
        case CandidateError(), CandidateError():
            return Examined(why_unobserved=refused(optimised))
        case CandidateError(), _:
            return _refused(part, plain, by=PLAIN, unlike=OPTIMISED)
        case _, CandidateError():
            return _refused(part, optimised, by=OPTIMISED, unlike=PLAIN)
        case _:
            settled = settle_ties(plain, optimised, atol, choices=part.config.CHOICES)
            return _compared(part, example, compare(plain, settled, atol))


def _attempt(part: PartEvidence, example: Example) -> Arrays | CandidateError:
    try:
        return part.candidate(example)
    except CandidateError as error:
        return error


def _refused(part: PartEvidence, error: object, *, by: Level, unlike: Level) -> Examined:
    message = f"ONNX Runtime at {by.name}: got {error}, expected it to run, as {unlike.name} does"
    return Examined((Finding(message=message, part=part.stem, error=RuntimeRefusalError),))


def _compared(part: PartEvidence, example: Example, examined: Examined) -> Examined:
    if examined.findings and determinism.examine_example(part, example, 0).findings:
        return Examined(why_unobserved="the file is not deterministic")
    levels = f"{OPTIMISED.name} against {PLAIN.name}"
    findings = tuple(
        dataclasses.replace(f, message=f"{f.message}; {levels}", part=part.stem)
        for f in examined.findings
    )
    return dataclasses.replace(examined, findings=findings)


def _rounding(failure: Failure) -> float:
    """Of eager PyTorch, as `agreement` measures it: between themselves the levels show none."""

    def run(execution: Execution) -> Examined:
        sides = failure.sides.under(execution)
        return agreement.examine_sides(sides, failure.example, failure.atol)

    return rounding_by(run, failure.atol)


REQUIREMENT = Requirement(
    id="runtime",
    rank=120,
    proves="outputs at ORT_ENABLE_ALL and at ORT_DISABLE_ALL agree within atol",
    fails_when="they differ, or one level refuses a feed that the other runs: the runtime is to "
    "blame" + UNLESS_UNSURE,
    examine_example=examine_example,
    explain=by_level,
    rounding=_rounding,
)
