"""`agreement`: the file computes the same outputs as unpatched eager PyTorch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.errors import RuntimeRefusalError
from harness.evidence.reference import EagerError
from harness.evidence.session import CandidateError
from harness.requirements.shared.blame import (
    ROUNDING_EXCEPTION,
    blame_by_execution_and_module,
    measure_rounding,
)
from harness.requirements.shared.comparison import compare, settle_ties
from harness.requirements.shared.requirement import Examined, Finding, Requirement, blame_refusal

if TYPE_CHECKING:
    from harness.evidence.example import Example
    from harness.evidence.sides import Sides
    from harness.evidence.tolerance import Tolerance


def examine_sides(sides: Sides, example: Example, tolerance: Tolerance) -> Examined:
    """Compare eager PyTorch and the files on one example; a refusal of the feed is a finding."""
    try:
        reference = sides.reference(example)
    except EagerError as error:
        message = f"eager PyTorch: got {error}, expected it to accept the declared inputs"
        return Examined((Finding(message=message, part=sides.stem, blame=blame_refusal(error)),))
    try:
        candidate = sides.candidate(example)
    except CandidateError as error:
        message = f"ONNX Runtime: got {error}, expected it to run"
        refusal = Finding(message=message, part=sides.stem, error=RuntimeRefusalError)
        return Examined((refusal,))
    settled = settle_ties(reference, candidate, tolerance, choices=sides.config.CHOICES)
    examined = compare(reference, settled, tolerance)
    findings = (dataclasses.replace(finding, part=sides.stem) for finding in examined.findings)
    return dataclasses.replace(examined, findings=tuple(findings))


REQUIREMENT = Requirement(
    id="agreement",
    rank=70,
    proves="outputs agree with unpatched eager PyTorch within atol on corners and drawn examples",
    fails_when="any output of any example differs in shape, dtype, NaN or inf pattern, or by more "
    "than atol, or one side refuses the feed" + ROUNDING_EXCEPTION,
    visits_bounds=True,
    weight=4,
    examine_example=examine_sides,
    examine_together=examine_sides,
    explain=blame_by_execution_and_module,
    measure_rounding=measure_rounding,
)
