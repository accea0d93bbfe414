"""The scope of a verdict on files, from what was planned and what is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.judge.model_files import left_out_files
from harness.records import Scope
from harness.requirements import requirement_ids
from harness.requirements.steps import step_ids

if TYPE_CHECKING:
    from harness.evidence.evidence import Evidence

DTYPE = "float32"
"""The dtype in which models are loaded and compared."""


def scope_of(
    evidence: Evidence,
    place: Path,
    *,
    planned: Sequence[str],
    is_selection: bool,
    forms: Sequence[str] | None,
    notes: Sequence[str],
) -> Scope:
    """Return the scope of a verdict after the files at `place`, a file or a folder, were judged.

    `forms` are those in which the files store weights, if they are judged in steps, else None.
    Only a folder has files that are left out: a user who gives a file has chosen.
    """
    folder = place if place.is_dir() else place.parent
    existing = dict.fromkeys(evidence.files.existing.values())
    files = [file for file in existing if file.is_file()]
    config = evidence.config
    left_out = (
        left_out_files(folder, files, task=config.task, parts=config.parts)
        if place.is_dir()
        else ()
    )
    known = requirement_ids(exports_again=True)
    return Scope(
        folder=str(folder),
        judged=tuple(str(file.relative_to(folder)) for file in files),
        left_out=left_out,
        not_asked=tuple(
            r for r in (known if forms is None else step_ids(known)) if r not in planned
        ),
        is_selection=is_selection,
        dtype=" and ".join(forms) if forms else DTYPE,
        notes=tuple(notes),
    )
