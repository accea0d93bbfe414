"""`export`: the exporter produced its files and left the model as it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.errors import ExporterError
from harness.evidence.sides import EagerError
from harness.requirements._base import Finding, Requirement

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence


def examine(evidence: Evidence) -> Iterator[Finding]:
    """Export between two calls of the reference on the same feed."""
    before = _reference_bits(evidence)
    try:
        files = evidence.files
    except ExporterError as error:
        yield Finding(message=f"export: got {error}, expected a file", is_fatal=True)
        return
    missing = [stem for stem in evidence.config.parts if not _is_file(files, stem)]
    if missing:
        yield Finding(message=f"parts: got none for {', '.join(missing)}", is_fatal=True)
    for part in evidence.parts:
        part.forget_references()
    if before is not None and _reference_bits(evidence) != before:
        yield Finding(
            message="model: got other eager outputs after the export than before it, expected "
            "the exporter to leave the model as it was",
            is_fatal=True,
        )


def _is_file(files: object, stem: str) -> bool:
    return isinstance(files, dict) and stem in files and files[stem].is_file()


def _reference_bits(evidence: Evidence) -> list[bytes] | None:
    """Eager's outputs on the first example; None where eager refuses it, which `agreement` says."""
    try:
        outputs = [part.reference(evidence.first_example) for part in evidence.parts]
    except EagerError:
        return None
    return [array.tobytes() for arrays in outputs for array in arrays.values()]


REQUIREMENT = Requirement(
    id="export",
    rank=10,
    proves="the exporter produced a file and left the model as it was",
    fails_when="it raises, writes no file for a part, or changes what eager PyTorch computes",
    examine=examine,
)
