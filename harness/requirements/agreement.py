"""`agreement`: the file computes what unpatched eager PyTorch computes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.errors import RuntimeRefusalError
from harness.evidence.session import CandidateError
from harness.evidence.sides import EagerError
from harness.requirements._base import Examined, Finding, Requirement
from harness.requirements._blame import blame
from harness.requirements._compare import compare

if TYPE_CHECKING:
    from harness.evidence.sides import Example, Sides


def examine_sides(sides: Sides, example: Example, atol: float) -> Examined:
    """Compare both sides on one example; a side that refuses the feed is a finding."""
    try:
        reference = sides.reference(example)
    except EagerError as error:
        message = f"eager PyTorch: got {error}, expected it to take what the description declares"
        return Examined((Finding(message=message, part=sides.stem, blame="harness"),))
    try:
        examined = compare(reference, sides.candidate(example), atol)
    except CandidateError as error:
        message = f"ONNX Runtime: got {error}, expected it to run"
        refusal = Finding(message=message, part=sides.stem, error=RuntimeRefusalError)
        return Examined((refusal,))
    if not examined.findings:
        return examined
    layer = blame(lambda: _is_right_unoptimised(sides, example, atol))
    findings = (dataclasses.replace(f, part=sides.stem, blame=layer) for f in examined.findings)
    return dataclasses.replace(examined, findings=tuple(findings))


def _is_right_unoptimised(sides: Sides, example: Example, atol: float) -> bool:
    plain = sides.candidate(example, optimised=False)
    return not compare(sides.reference(example), plain, atol).findings


REQUIREMENT = Requirement(
    id="agreement",
    rank=70,
    proves="outputs agree with unpatched eager PyTorch within atol on corners and drawn examples",
    fails_when="any output of any example differs in shape, dtype, NaN or inf pattern, or by more "
    "than atol, or one side refuses the feed",
    examine_example=examine_sides,
    examine_together=examine_sides,
)
