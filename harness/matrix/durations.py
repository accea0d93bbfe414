"""How long cells took when they were last measured: what shards, order and estimates go by.

`fixtures/durations.json` maps `architecture[~variant]/task/exporter` to the seconds of one cell.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.configs.plugins import fixture_directories
from harness.errors import UsageError
from harness.files import read_json, write_whole
from harness.records import CellId, CellReport, Outcome, Run

FILE = "durations.json"
UNKNOWN = 5.0
"""Seconds of a cell where nothing at all was measured; then only the number of cells counts."""

_JUDGED = frozenset(
    {Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.XFAILED, Outcome.XPASSED}
)


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds by row, and by exporter for rows that were never measured."""

    rows: Mapping[str, float]
    typical: Mapping[str, float]

    @classmethod
    def over(cls, rows: Mapping[str, float]) -> Durations:
        """With the median of each exporter for what is not among `rows`."""
        found: dict[str, list[float]] = {}
        for row, seconds in rows.items():
            found.setdefault(row.rpartition("/")[2], []).append(seconds)
        return cls(rows, {name: statistics.median(values) for name, values in found.items()})

    def of(self, cell: CellId) -> float:
        """The seconds that a cell is expected to take."""
        return self.of_row(row_of(cell))

    def of_row(self, row: str) -> float:
        """The seconds that one cell of a row is expected to take."""
        return self.rows.get(row, self.typical.get(row.rpartition("/")[2], UNKNOWN))

    def total(self, cells: Iterable[CellId]) -> float:
        """The seconds that one process is expected to take for all of `cells`."""
        return sum(map(self.of, cells))


def row_of(cell: CellId) -> str:
    """What its opset does not tell apart: `architecture[~variant]/task/exporter`."""
    model, task, _, exporter = str(cell).split("/")
    return f"{model}/{task}/{exporter}"


def read_durations() -> Durations:
    """What is committed in all fixture folders, those registered last first.

    Raises UsageError that names a file of another form.
    """
    rows: dict[str, float] = {}
    for directory in fixture_directories():
        rows = {**_read(directory / FILE), **rows}
    return Durations.over(rows)


def measured(run: Run) -> dict[str, float]:
    """The mean seconds of the cells of each row that a run judged to the end."""
    found: dict[str, list[float]] = {}
    for report in run.reports():
        if report.outcome in _JUDGED:
            found.setdefault(row_of(report.cell), []).append(_seconds(report))
    return {row: statistics.fmean(values) for row, values in found.items()}


def write_durations(path: Path, fresh: Mapping[str, float]) -> None:
    """Put `fresh` into a file, beside the rows that it has already. Raises UsageError, OSError."""
    rows = {**_read(path), **fresh}
    rounded = {row: round(seconds, 2) for row, seconds in sorted(rows.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(rounded, indent=1) + "\n")


def _seconds(report: CellReport) -> float:
    return sum(record.seconds for record in report.records)


def _read(path: Path) -> dict[str, float]:
    if not path.is_file():
        return {}
    rows = read_json(path)
    if not isinstance(rows, dict) or not all(map(_is_duration, rows.values())):
        raise UsageError(
            f"{path}: must map architecture/task/exporter to seconds; write it with "
            "python -m harness durations RUN"
        )
    return rows


def _is_duration(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0
