"""`loads`: the runtime makes a session, and computes finite numbers where eager PyTorch does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import NonFiniteError, NotJudgedError, RuntimeRefusalError
from harness.evidence.file_notes import HALF_TYPES
from harness.evidence.onnx_file import graph_inputs, graph_outputs
from harness.evidence.session import CandidateError
from harness.requirements.shared.both_sides import run_both
from harness.requirements.shared.requirement import (
    Blame,
    Examined,
    Finding,
    Requirement,
)

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.evidence.example import Example
    from harness.evidence.sides import PartEvidence
    from harness.evidence.tolerance import Tolerance

BLAME = Blame("exporter or quantiser")
NO_KERNEL = "NOT_IMPLEMENTED"
"""In the error of ONNX Runtime for an operator that it cannot compute in some type."""


def open_files(evidence: Evidence) -> Iterator[Finding]:
    """Yield a finding for each file of which the runtime makes no session.

    Raises NotJudgedError if it lacks a kernel.
    """
    for part in evidence.parts:
        yield from _name_borders(part)
        try:
            part.session()
        except CandidateError as error:
            if NO_KERNEL in str(error):
                raise NotJudgedError(f"{part.stem}: ONNX Runtime has no kernel: {error}") from error
            message = f"ONNX Runtime: got {error}, expected a session"
            yield Finding(
                message=message,
                part=part.stem,
                is_fatal=True,
                blame=BLAME,
                error=RuntimeRefusalError,
            )


def _name_borders(part: PartEvidence) -> Iterator[Finding]:
    """Yield a note on each input and output of half precision."""
    model = part.model_proto
    for name, value in {**graph_inputs(model), **graph_outputs(model)}.items():
        if value.dtype in HALF_TYPES.values():
            message = f"{part.stem}: {name} is {value.dtype}, not float32"
            yield Finding(message=message, part=part.stem, is_note=True)


def examine_part(part: PartEvidence, example: Example, tolerance: Tolerance) -> Examined:
    """Look for numbers that are not finite where eager PyTorch's are."""
    outputs = run_both(part, example, blame=BLAME)
    if isinstance(outputs, Examined):
        return outputs
    reference, candidate = outputs
    names = [name for name in reference if name in candidate]
    counts = {name: _not_finite(reference[name], candidate[name]) for name in names}
    return Examined(
        tuple(
            Finding(
                message=f"values of {name}: got {count} that are not finite, expected none where "
                "eager PyTorch's are finite",
                part=part.stem,
                blame=BLAME,
                error=NonFiniteError,
            )
            for name, count in counts.items()
            if count
        )
    )


def _not_finite(reference: np.ndarray, candidate: np.ndarray) -> int:
    if candidate.dtype.kind not in "fV" or candidate.shape != reference.shape:
        return 0
    return int((np.isfinite(reference) & ~np.isfinite(candidate.astype(np.float32))).sum())


REQUIREMENT = Requirement(
    id="loads",
    rank=1,
    proves="ONNX Runtime makes a session of each file, and computes finite numbers where eager "
    "PyTorch does",
    fails_when="a session or a run is refused, or a value is NaN or infinite where eager's is not",
    sample=12,
    ignores_tolerance=True,
    examine=open_files,
    examine_example=examine_part,
)
