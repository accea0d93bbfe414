"""`agreement`: the file computes the same outputs as unpatched eager PyTorch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.requirements.shared.blame import (
    ROUNDING_EXCEPTION,
    blame_by_execution_and_module,
    measure_rounding,
)
from harness.requirements.shared.both_sides import run_both
from harness.requirements.shared.comparison import compare, settle_ties
from harness.requirements.shared.requirement import Examined, Requirement

if TYPE_CHECKING:
    from harness.evidence.example import Example
    from harness.evidence.sides import Sides
    from harness.evidence.tolerance import Tolerance


def examine_sides(sides: Sides, example: Example, tolerance: Tolerance) -> Examined:
    """Compare eager PyTorch and the files on one example; a refusal of the feed is a finding."""
    outputs = run_both(sides, example)
    if isinstance(outputs, Examined):
        return outputs
    reference, candidate = outputs
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
