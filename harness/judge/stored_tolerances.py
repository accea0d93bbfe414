"""Write proposed tolerances into the files of their tiny models."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from harness.configs.atol import ATOL
from harness.configs.plugins import find_fixture
from harness.errors import UsageError
from harness.evidence.fixture_text import with_member
from harness.evidence.fixtures import FOLDER, TinyModel
from harness.files import read_json, write_atomically
from harness.judge.proposals import ToleranceReport
from harness.judge.tolerances import MeasuredCell, UnmeasuredCell

Written = Mapping[Path, Mapping[str, float]]
"""File of a tiny model -> its tasks with the tolerance that was written."""


def store_proposals(report: ToleranceReport) -> tuple[ToleranceReport, Written]:
    """Store each proposal if its tolerance is missing or does not hold.

    Return the report with the tolerances that are stored now, and what was written. A tolerance
    that a description states is not stored. Raises UsageError if a file cannot be written.
    """
    found = {
        (one.holder, one.task): atol
        for one in report.tolerances
        if (atol := one.to_store) is not None
    }
    written: dict[Path, dict[str, float]] = {}
    for (holder, task), atol in found.items():
        written.setdefault(_file_of(holder), {})[task] = atol
    for path, tolerances in written.items():
        _write(path, tolerances)
    cells = [_with_stored(cell, found) for cell in report.cells]
    return dataclasses.replace(report, cells=cells), written


def _file_of(holder: TinyModel) -> Path:
    path = find_fixture(f"{FOLDER}/{holder}.json")
    if path is None:
        raise UsageError(f"no tiny model: fixtures/{FOLDER}/{holder}.json does not exist; add it")
    return path


def _write(path: Path, tolerances: Mapping[str, float]) -> None:
    known = {**read_json(path).get(ATOL, {}), **tolerances}
    text = with_member(path.read_text(encoding="utf-8"), ATOL, dict(sorted(known.items())))
    try:
        write_atomically(path, text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error


def _with_stored(
    cell: MeasuredCell | UnmeasuredCell, stored: Mapping[tuple[TinyModel, str], float]
) -> MeasuredCell | UnmeasuredCell:
    if isinstance(cell, UnmeasuredCell):
        return cell
    return dataclasses.replace(cell, atol=stored.get((cell.holder, cell.cell.task), cell.atol))
