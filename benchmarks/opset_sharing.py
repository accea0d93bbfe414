"""Measures what k opsets of one (architecture, task) cost if they share work.

The bar: at most 1 + 0.3 (k - 1) times one export that shares nothing, median of the rounds.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from benchmarks._cells import export_seconds
from benchmarks._measuring import make_console, make_parser, progress
from benchmarks._plotting import add_plot, plot
from harness import CellId, Exporter
from harness.exporters import get_exporter
from harness.exporters._registries import Registries
from harness.exporters._sharing import SharedTraces, with_shared_traces

SLOPE = 0.3
OPSETS = (18, 17, 20, 21, 22, 23, 24, 25)
COUNTS = (1, 2, 4, 8)
TASKS = (
    "bert/fill-mask",
    "vit/image-classification",
    "llama/text-generation-with-past",
    "t5/text2text-generation-with-past",
)


@dataclass(frozen=True, slots=True)
class SharingRound:
    """Processor seconds of one export alone, and of each opset's export with shared work."""

    alone: float
    shared: tuple[float, ...]

    def ratio(self, count: int) -> float:
        return sum(self.shared[:count]) / self.alone


def measure(name: str, *, rounds: int) -> Iterator[SharingRound]:
    """Measure rounds of a task, each with a new model.

    A first round is not counted: it warms imports and registries, as in a worker that has judged
    a task.
    """
    alone, registries = get_exporter("dynamo"), Registries()
    for index in progress(range(rounds + 1), name):
        traces = SharedTraces()
        traces.registries = registries
        shared = with_shared_traces(alone, traces)
        first = _seconds(alone, name, OPSETS[0])
        each = tuple(_seconds(shared, name, opset) for opset in OPSETS)
        if index:
            yield SharingRound(first, each)


def _seconds(exporter: Exporter, name: str, opset: int) -> float:
    """Return processor seconds: an export never waits, and other processes do not count."""
    cell = CellId.parse(f"{name}/opset{opset}/dynamo")
    return export_seconds(exporter, cell, clock=time.process_time)


def bar(count: int) -> float:
    return 1 + SLOPE * (count - 1)


def medians_of(rounds: Sequence[SharingRound]) -> dict[int, float]:
    """Return k -> cost of k opsets, relative to one export."""
    return {count: statistics.median(one.ratio(count) for one in rounds) for count in COUNTS}


def row(name: str, rounds: Sequence[SharingRound]) -> tuple[str, ...]:
    seconds = statistics.median(one.alone for one in rounds)
    pairs = itertools.product(rounds, range(1, len(OPSETS)))
    further = statistics.median(one.shared[index] / one.alone for one, index in pairs)
    ratios = [f"{ratio:.2f}" for ratio in medians_of(rounds).values()]
    return name, f"{seconds:.2f}", *ratios, f"{further:.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__spec__, __doc__)
    parser.add_argument("--task", action="append", help="architecture/task; may be repeated")
    parser.add_argument("--rounds", type=int, default=5)
    add_plot(parser)
    options = parser.parse_args(arguments)
    table = Table("task", "one export s", *(f"k = {count}" for count in COUNTS), "each further one")
    medians: dict[str, dict[int, float]] = {}
    for name in options.task or TASKS:
        rounds = list(measure(name, rounds=options.rounds))
        medians[name] = medians_of(rounds)
        table.add_row(*row(name, rounds))
    table.add_row("bar", "", *(f"{bar(count):.2f}" for count in COUNTS), f"{SLOPE:.2f}")
    is_within = all(m[count] <= bar(count) for m in medians.values() for count in COUNTS[1:])
    console = make_console()
    console.print(table)
    console.print(
        f"k opsets relative to one export, medians of {options.rounds} rounds: "
        f"{'within' if is_within else 'ABOVE'} the bar of 1 + {SLOPE} (k - 1)"
    )
    if options.plot:
        curves = {name: list(ratios.items()) for name, ratios in medians.items()}
        limit = [(count, bar(count)) for count in COUNTS]
        names = {"x": "opsets", "y": "times one export", "bar_name": "bar"}
        plot(options.plot, curves, bar=limit, **names)


if __name__ == "__main__":
    main()
