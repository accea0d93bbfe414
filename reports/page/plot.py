"""Plots of the needed atol over opsets, drawn without scripts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.records import CellReport
from reports.cell_details import number
from reports.page.matrix import Columns, MatrixRow
from reports.page.support import allowed_atol, needed_atol

WIDTH, HEIGHT = 320, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 24
_FLOOR = 1e-9  # smallest value that is drawn; 0 (bit-identical outputs) has no logarithm


@dataclass(frozen=True, slots=True)
class Point:
    """A cell's position, with a label that states its needed atol."""

    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Series:
    """The points of one exporter; `path` joins them, `index` chooses marker and line style."""

    exporter: str
    index: int
    path: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a position on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The plot of one matrix row: needed atol (y, logarithmic) over opset (x).

    `limit` is the position of the allowed atol.
    """

    title: str
    summary: str
    series: tuple[Series, ...]
    opsets: tuple[Tick, ...]
    decades: tuple[Tick, ...]
    limit: Tick | None


def plot_of(row: MatrixRow, columns: Columns) -> Plot | None:
    """Return the plot of a row, or None if none of its cells has a finite needed atol."""
    found = {
        report.cell: value for report in row.reports if _is_drawn(value := needed_atol(report))
    }
    if not found:
        return None
    limit = max((value for r in row.reports if (value := allowed_atol(r))), default=None)
    values = [max(value, _FLOOR) for value in found.values() if value is not None]
    scale = _Scale.around([*values, *([limit] if limit else [])], columns.opsets)
    return Plot(
        title=f"{row.name} {row.task}",
        summary=f"needed atol: {number(min(values))} to {number(max(values))}",
        series=tuple(
            _series(row.reports, exporter, index, scale)
            for index, exporter in enumerate(columns.exporters)
        ),
        opsets=tuple(Tick(scale.x(opset), str(opset)) for opset in _few(columns.opsets)),
        decades=tuple(Tick(scale.y(10.0**d), f"1e{d}") for d in _few(scale.decades)),
        limit=Tick(scale.y(limit), number(limit)) if limit else None,
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    first: int
    last: int
    low: int
    high: int

    @classmethod
    def around(cls, values: Sequence[float], opsets: Sequence[int]) -> _Scale:
        exponents = [math.log10(value) for value in values]
        low, high = math.floor(min(exponents)), math.ceil(max(exponents))
        return cls(opsets[0], opsets[-1], low, max(high, low + 1))

    @property
    def decades(self) -> range:
        return range(self.low, self.high + 1)

    def x(self, opset: int) -> float:
        span = max(self.last - self.first, 1)
        return round(_LEFT + (opset - self.first) / span * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)


def _series(reports: Iterable[CellReport], exporter: str, index: int, scale: _Scale) -> Series:
    points = []
    for report in sorted(reports, key=lambda report: report.cell.opset):
        needed = needed_atol(report)
        if report.cell.exporter == exporter and needed is not None and math.isfinite(needed):
            label = f"{exporter}, opset {report.cell.opset}: {number(needed)}"
            x, y = scale.x(report.cell.opset), scale.y(max(needed, _FLOOR))
            points.append(Point(x, y, label))
    path = " ".join(f"{'L' if n else 'M'}{p.x} {p.y}" for n, p in enumerate(points))
    return Series(exporter, index, path, tuple(points))


def _is_drawn(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _few(values: Sequence[int]) -> Sequence[int]:
    """Return at most nine values, evenly spaced, so that labels do not touch."""
    return values[:: max(1, -(-len(values) // 9))]
