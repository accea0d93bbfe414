"""`checker`: onnx's checker and strict shape inference accept the file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import one_line
from harness.evidence.memory import out_of_memory
from harness.evidence.session import CandidateError
from harness.requirements.shared.requirement import Finding, Requirement

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence
    from harness.evidence.sides import PartEvidence


def examine(evidence: Evidence) -> Iterator[Finding]:
    for part in evidence.files_once:
        yield from _check(part)


def _check(part: PartEvidence) -> Iterator[Finding]:
    """Run the checker and shape inference on one file.

    An invalid graph is fatal, except for missing external data, which `weights` reports in more
    detail. An error of shape inference is fatal only if the runtime cannot load the file.
    """
    import onnx

    path = str(part.path)
    try:
        onnx.checker.check_model(path)
    except Exception as error:  # ValidationError, or DecodeError for a broken tensor
        yield _finding("onnx.checker", error, part, is_fatal=not part.file.external_data_problems)
        return
    try:
        onnx.checker.check_model(path, full_check=True)
        with tempfile.TemporaryDirectory() as directory:
            onnx.shape_inference.infer_shapes_path(
                path, str(Path(directory) / "m.onnx"), check_type=True, strict_mode=True
            )
    except Exception as error:
        yield _finding("shape inference", error, part, is_fatal=not _loads(part))


def _loads(part: PartEvidence) -> bool:
    try:
        part.session()
    except CandidateError:
        return False
    return True


def _finding(subject: str, error: Exception, part: PartEvidence, *, is_fatal: bool) -> Finding:
    """Return the finding for an error; raises OutOfMemoryError if memory ran out."""
    if (reason := out_of_memory(error)) is not None:
        raise reason from error
    return Finding(
        message=f"{subject}: got {one_line(error)}, expected no error",
        part=part.stem,
        is_fatal=is_fatal,
    )


REQUIREMENT = Requirement(
    id="checker",
    rank=30,
    proves="onnx.checker with full_check and strict shape inference accept the file",
    fails_when="either of them reports an error",
    examine=examine,
)
