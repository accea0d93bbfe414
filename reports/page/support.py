"""For users of exports: at which opsets a task's export conforms, and how exact it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.records import CellReport, Outcome
from reports.cell_details import number
from reports.page.matrix import Columns, MatrixRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How well one exporter supports one tiny model and task.

    `opsets` are the conforming opsets as ranges, `best` the highest of them. `needed` is the
    largest needed atol of the conforming cells, `atol` the largest allowed one.
    """

    name: str
    task: str
    exporter: str
    opsets: str
    best: int | None
    conforming: int
    applicable: int
    needed: str
    atol: str


def support_of(row: MatrixRow, columns: Columns) -> Iterator[Support]:
    """Yield one entry per exporter of the row; cells that are not applicable do not count."""
    for exporter in columns.exporters:
        reports = [report for report in row.reports if report.cell.exporter == exporter]
        if not reports:
            continue
        good = [report for report in reports if report.conforms]
        opsets = sorted(report.cell.opset for report in good)
        yield Support(
            name=row.name,
            task=row.task,
            exporter=exporter,
            opsets=ranges(opsets),
            best=opsets[-1] if opsets else None,
            conforming=len(good),
            applicable=sum(report.outcome is not Outcome.NOT_APPLICABLE for report in reports),
            needed=_largest(
                needed for report in good if (needed := needed_atol(report)) is not None
            ),
            atol=_largest(atol for report in good if (atol := allowed_atol(report)) is not None),
        )


def needed_atol(report: CellReport) -> float | None:
    """Return the smallest atol with which all outputs pass; None if nothing was compared."""
    needed = [value for record in report.records for value in record.needed_atol.values()]
    if any(math.isnan(value) for value in needed):
        return math.nan
    return max(needed, default=None)


def allowed_atol(report: CellReport) -> float | None:
    """Return the largest tolerance that was applied; None if nothing was compared."""
    return max((record.worst.atol for record in report.records if record.worst), default=None)


def ranges(opsets: Sequence[int]) -> str:
    """Return sorted opsets as ranges, such as `9, 14-18`."""
    if not opsets:
        return "none"
    breaks = [index for index, (a, b) in enumerate(pairwise(opsets), start=1) if b != a + 1]
    starts, ends = [0, *breaks], [*breaks, len(opsets)]
    runs = [(opsets[start], opsets[end - 1]) for start, end in zip(starts, ends, strict=True)]
    return ", ".join(f"{a}-{b}" if b > a else str(a) for a, b in runs)


def _largest(values: Iterable[float]) -> str:
    found = max(values, default=None)
    return "" if found is None else number(found)
