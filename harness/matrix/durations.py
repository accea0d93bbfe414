"""Measured durations of cells, used for shards, for the order of cells and for estimates.

`fixtures/durations.json` maps `architecture[~variant]/task/exporter`, called a row, to the seconds
of one cell.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.plugins import fixture_directories
from harness.errors import UsageError
from harness.files import read_json, write_atomically
from harness.records import CellId, CellReport, Outcome, Run

if TYPE_CHECKING:
    from harness.matrix.registry import Registry

FILE = "durations.json"
UNKNOWN_SECONDS = 5.0
"""Seconds assumed for a cell if no cell of its exporter was measured."""

_JUDGED = frozenset(
    {Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.XFAILED, Outcome.XPASSED}
)


@dataclass(frozen=True, slots=True)
class Durations:
    """Expected seconds of cells.

    `rows` maps a row (a cell id without the opset) to the mean of its measured cells. `typical`
    maps an exporter to the median of its measured rows, which is expected of its other rows.
    """

    rows: Mapping[str, float]
    typical: Mapping[str, float]

    @classmethod
    def from_rows(cls, rows: Mapping[str, float]) -> Durations:
        """Take measured `rows`; the typical seconds of an exporter are the median of its rows."""
        found: dict[str, list[float]] = {}
        for row, seconds in rows.items():
            found.setdefault(row.rpartition("/")[2], []).append(seconds)
        return cls(rows, {name: statistics.median(values) for name, values in found.items()})

    def of(self, cell: CellId) -> float:
        """Return the expected seconds of a cell."""
        return self.of_row(row_of(cell))

    def of_row(self, row: str) -> float:
        """Return the expected seconds of one cell of a row."""
        return self.rows.get(row, self.typical.get(row.rpartition("/")[2], UNKNOWN_SECONDS))

    def total(self, cells: Iterable[CellId]) -> float:
        """Return the expected seconds of one process for all of `cells`."""
        return sum(map(self.of, cells))


def row_of(cell: CellId) -> str:
    """Return a cell's row, its id without the opset: `architecture[~variant]/task/exporter`."""
    model, task, _, exporter = str(cell).split("/")
    return f"{model}/{task}/{exporter}"


def registered_rows(registry: Registry) -> list[str]:
    """Return the rows of the whole matrix: every model, task and exporter."""
    return [
        f"{model}/{task}/{exporter}"
        for model, tasks in registry.tasks.items()
        for task in tasks
        for exporter in registry.exporters
    ]


def read_durations() -> Durations:
    """Read the durations of all fixture folders; for a row in several, the first folder's counts.

    Raises UsageError that names the file if its form is wrong.
    """
    rows: dict[str, float] = {}
    for directory in fixture_directories():
        rows = {**_read(directory / FILE), **rows}
    return Durations.from_rows(rows)


def mean_durations(run: Run) -> dict[str, float]:
    """Return row -> mean seconds of its cells, over the cells that were judged to the end in a run.

    A cell whose later requirements were skipped, as after a failed export, is quicker than its row.
    """
    found: dict[str, list[float]] = {}
    for report in run.reports():
        if report.outcome in _JUDGED and not _is_cut_short(report):
            found.setdefault(row_of(report.cell), []).append(_seconds(report))
    return {row: statistics.fmean(values) for row, values in found.items()}


def estimate_missing(rows: Mapping[str, float], wanted: Iterable[str]) -> dict[str, float]:
    """Estimate the `wanted` rows that were not measured, from other exporters of the same task.

    The estimate is the measured seconds of the other exporter, times the median ratio of the two
    exporters over all tasks that were measured with both. A row without any such measurement is
    left out.
    """
    by_task: dict[str, dict[str, float]] = {}
    for row, seconds in rows.items():
        task, _, exporter = row.rpartition("/")
        by_task.setdefault(task, {})[exporter] = seconds
    ratios: dict[tuple[str, str], list[float]] = {}
    for measured in by_task.values():
        for known, other in itertools.permutations(measured, 2):
            if measured[known] > 0:
                ratios.setdefault((known, other), []).append(measured[other] / measured[known])
    estimates: dict[str, float] = {}
    for row in sorted(set(wanted) - set(rows)):
        task, _, exporter = row.rpartition("/")
        pairs = [
            (known, exporter) for known in by_task.get(task, ()) if (known, exporter) in ratios
        ]
        if pairs:
            known, _ = pair = max(pairs, key=lambda pair: len(ratios[pair]))
            estimates[row] = by_task[task][known] * statistics.median(ratios[pair])
    return estimates


def write_durations(path: Path, fresh: Mapping[str, float], *, wanted: Iterable[str] = ()) -> int:
    """Write `fresh` rows to a file; its other rows are kept.

    Missing rows of `wanted` are estimated (`estimate_missing`). Returns the number of estimates.
    Raises UsageError if the file has another form, OSError if it cannot be written.
    """
    measured = {**_read(path), **fresh}
    estimates = estimate_missing(measured, wanted)
    rows = {**measured, **estimates}
    rounded = {row: round(seconds, 2) for row, seconds in sorted(rows.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(rounded, indent=1) + "\n")
    return len(estimates)


def _is_cut_short(report: CellReport) -> bool:
    return any(record.outcome is Outcome.SKIPPED for record in report.records)


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
