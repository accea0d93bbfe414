"""Measures what a run of the matrix costs, relative to the bare exports of its cells.

The cost of a run is the wall time of pytest times the number of workers. The cost of the exports is
the wall time of exporting the same cells one after the other, in one process with warm imports.
Bare exports share no work. The table also shows exports in which the opsets of a task share their
work: no run can cost less.

The bar: at most 1.3 times the bare exports, median of the rounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks._cells import (
    add_selection,
    export_seconds,
    for_pytest,
    pytest_seconds,
    selected_cells,
)
from benchmarks._measuring import Bar, make_console, make_parser, progress
from harness.exporters import exporter_names, get_exporter
from harness.exporters._sharing import SharedTraces, with_shared_traces
from harness.judge.warm_up import warm_up
from harness.records import CellId

BAR = Bar.at_most(1.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverheadRound:
    """Seconds of one run, of the bare exports, and of the exports that share work."""

    wall: float
    workers: int
    bare: float
    shared: float

    @property
    def ratio(self) -> float:
        return self.wall * self.workers / self.bare

    @property
    def ratio_to_shared(self) -> float:
        return self.wall * self.workers / self.shared


def measure(cells: Sequence[CellId], arguments: Sequence[str], *, workers: int) -> OverheadRound:
    """Measure a run, then the exports of its cells without and with shared work."""
    return OverheadRound(
        wall=pytest_seconds("-n", str(workers), *arguments),
        workers=workers,
        bare=time_exports(cells, None),
        shared=time_exports(cells, SharedTraces()),
    )


def time_exports(cells: Sequence[CellId], traces: SharedTraces | None) -> float:
    """Return the seconds of all exports, one after the other."""
    what = "bare exports" if traces is None else "exports that share"
    return sum(
        export_seconds(with_shared_traces(get_exporter(cell.exporter), traces), cell)
        for cell in progress(cells, what)
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__spec__, __doc__)
    add_selection(parser)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    cells = selected_cells(options)
    warm_up()
    for name in exporter_names():
        time_exports([cell for cell in cells if cell.exporter == name][:1], None)
    chosen = for_pytest(options)
    rounds = [measure(cells, chosen, workers=options.workers) for _ in range(options.rounds)]
    table = Table("run s", "x workers", "bare exports s", "ratio", "shared exports s", "ratio")
    for one in rounds:
        numbers = (one.wall, one.wall * one.workers, one.bare, one.ratio, one.shared)
        table.add_row(*(f"{number:.2f}" for number in numbers), f"{one.ratio_to_shared:.2f}")
    median = statistics.median(one.ratio for one in rounds)
    console = make_console()
    console.print(table)
    console.print(
        f"{options.workers} workers take {median:.2f} x the bare exports of {len(cells)} cells, "
        f"median of {len(rounds)} rounds: {BAR.verdict(median)}"
    )


if __name__ == "__main__":
    main()
