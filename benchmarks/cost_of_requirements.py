"""Measures what judging a cell costs, relative to its bare dynamo export, in the smoke profile.

The bar: at most 0.3 times the export, median, with at least 30 examples for each cell.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks._cells import add_selection, selected_cells
from benchmarks._measuring import Bar, make_console, make_parser, progress
from harness import Artifact, CellId, CellReport, judge_cell, register_exporter
from harness.exporters import get_exporter

BAR = Bar.at_most(0.3)
FEWEST_EXAMPLES = Bar.at_least(30)
EXPORTER = "dynamo"


class Timed:
    """An exporter that adds up the seconds of its exports."""

    def __init__(self, name: str) -> None:
        self._exporter = get_exporter(name)
        self.name = self._exporter.name
        self.opsets = self._exporter.opsets
        self.seconds = 0.0

    def export(self, model: Any, config: Any, opset: int, output: Path) -> Artifact:
        start = time.perf_counter()
        try:
            return self._exporter.export(model, config, opset, output)
        finally:
            self.seconds += time.perf_counter() - start


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCost:
    """Seconds of one cell: of its export, and of everything else in judging it."""

    report: CellReport
    export: float
    judged: float

    @property
    def ratio(self) -> float:
        return self.judged / self.export

    @property
    def examples(self) -> int:
        return max(record.examples for record in self.report.records)


def measure(cells: Sequence[CellId], exporter: Timed, profile: str) -> Iterator[CellCost]:
    """Judge each cell with the profile. One cell is judged before, so that imports are warm."""
    judge_cell(cells[0], profile=profile)
    for cell in progress(cells, "cells"):
        exporter.seconds = 0.0
        start = time.perf_counter()
        report = judge_cell(cell, profile=profile)
        total = time.perf_counter() - start
        yield CellCost(report=report, export=exporter.seconds, judged=total - exporter.seconds)


def by_cell(costs: list[CellCost]) -> Table:
    table = Table("cell", "export s", "judged s", "ratio", "examples", "conforms")
    for cost in costs:
        numbers = (f"{cost.export:.2f}", f"{cost.judged:.2f}", f"{cost.ratio:.2f}")
        conforms = "yes" if cost.report.conforms else "no"
        table.add_row(str(cost.report.cell), *numbers, str(cost.examples), conforms)
    return table


def by_requirement(costs: list[CellCost]) -> Table:
    """Return each requirement's share of the judging time; `export` excludes the export itself."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for cost in costs:
        for record in cost.report.records:
            seconds[record.requirement] += record.seconds
        seconds["export"] -= cost.export
    whole = sum(cost.judged for cost in costs)
    seconds["everything else, such as building the model"] = whole - sum(seconds.values())
    table = Table("requirement", "seconds", "share")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.1f}", f"{value / whole:.0%}")
    return table


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__spec__, __doc__)
    add_selection(parser)
    parser.set_defaults(exporter=EXPORTER)
    options = parser.parse_args(arguments)
    exporter = Timed(options.exporter)
    register_exporter(exporter)
    costs = list(measure(selected_cells(options), exporter, options.profile))
    console = make_console()
    console.print(by_cell(costs), by_requirement(costs))
    median = statistics.median(cost.ratio for cost in costs)
    fewest = min(cost.examples for cost in costs)
    console.print(f"at least {fewest} examples each: {FEWEST_EXAMPLES.verdict(fewest)}")
    console.print(
        f"all requirements cost {median:.2f} x the export, median of {len(costs)} cells: "
        f"{BAR.verdict(median)}"
    )


if __name__ == "__main__":
    main()
