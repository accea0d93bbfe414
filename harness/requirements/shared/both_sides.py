"""Outputs of eager PyTorch and of the files for one example, or what is wrong if one refuses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import RuntimeRefusalError
from harness.evidence.reference import EagerError
from harness.evidence.session import CandidateError
from harness.requirements.shared.requirement import Blame, Examined, Finding, blame_refusal

if TYPE_CHECKING:
    from harness.evidence.example import Example
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Sides


def run_both(
    sides: Sides, example: Example, *, blame: Blame | None = None
) -> tuple[Arrays, Arrays] | Examined:
    """Return the reference and the candidate; if one side refuses the feed, that is a finding.

    `blame` is for a refusal of the runtime.
    """
    try:
        reference = sides.reference(example)
    except EagerError as error:
        message = f"eager PyTorch: got {error}, expected it to accept the declared inputs"
        return Examined((Finding(message=message, part=sides.stem, blame=blame_refusal(error)),))
    try:
        return reference, sides.candidate(example)
    except CandidateError as error:
        refusal = Finding(
            message=f"ONNX Runtime: got {error}, expected it to run",
            part=sides.stem,
            blame=blame,
            error=RuntimeRefusalError,
        )
        return Examined((refusal,))
