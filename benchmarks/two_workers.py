"""Measures how much faster two workers are: `pytest -n 1` against `-n 2`, in alternating order.

The bar: at least 1.7 times as fast, median of the pairs.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks._cells import add_selection, for_pytest, pytest_seconds
from benchmarks._measuring import Bar, make_console, make_parser, progress

BAR = Bar.at_least(1.7)


@dataclass(frozen=True, slots=True)
class WorkerPair:
    """Wall seconds of the same run with one worker and with two."""

    one: float
    two: float

    @property
    def speedup(self) -> float:
        return self.one / self.two


def measure(arguments: Sequence[str], *, first: int) -> WorkerPair:
    """Measure both runs, first with `first` workers; alternating it cancels warm-up effects."""
    order = (first, 3 - first)
    seconds = {workers: pytest_seconds("-n", str(workers), *arguments) for workers in order}
    return WorkerPair(seconds[1], seconds[2])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__spec__, __doc__)
    add_selection(parser)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    chosen = for_pytest(options)
    rounds = progress(range(options.rounds), "pairs")
    pairs = [measure(chosen, first=1 + index % 2) for index in rounds]
    table = Table("one worker s", "two workers s", "times as fast")
    for pair in pairs:
        table.add_row(f"{pair.one:.1f}", f"{pair.two:.1f}", f"{pair.speedup:.2f}")
    median = statistics.median(pair.speedup for pair in pairs)
    console = make_console()
    console.print(table)
    console.print(
        f"two workers are {median:.2f} x as fast as one, median of {len(pairs)} pairs: "
        f"{BAR.verdict(median)}"
    )


if __name__ == "__main__":
    main()
