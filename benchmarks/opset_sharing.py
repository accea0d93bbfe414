"""What k opsets of one (architecture, task) cost beside one export, when they share their work.

The bar: at most 1 + 0.3 (k - 1) times one export that shares nothing, median of the rounds.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from harness import Exporter, TasksManager
from harness.evidence.models import tiny_model
from harness.evidence.session import single_thread
from harness.exporters import get_exporter
from harness.exporters._registries import Registries
from harness.exporters._sharing import SharedTraces, sharing

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
class Round:
    """Seconds of one export alone, and of each opset after the other with what they share."""

    alone: float
    shared: tuple[float, ...]

    def ratio(self, count: int) -> float:
        return sum(self.shared[:count]) / self.alone


def measure(name: str, *, rounds: int) -> Iterator[Round]:
    """Rounds of a task, each with a new model. Imports and registries are warm after a first one,
    as they are in a worker that has judged a task."""
    architecture, task = name.split("/")
    alone, registries = get_exporter("dynamo"), Registries()
    for index in track(range(rounds + 1), name, console=Console(stderr=True)):
        traces = SharedTraces()
        traces.registries = registries
        shared = sharing(alone, traces)
        first = _seconds(alone, architecture, task, OPSETS[0])
        each = tuple(_seconds(shared, architecture, task, opset) for opset in OPSETS)
        if index:
            yield Round(first, each)


def _seconds(exporter: Exporter, architecture: str, task: str, opset: int) -> float:
    """Of the processor: an export waits for nothing, and other processes do not count."""
    model = tiny_model(architecture, task)
    config = TasksManager.get_exporter_config_constructor("onnx", model, task=task)(model.config)
    with tempfile.TemporaryDirectory() as folder, single_thread():
        start = time.process_time()
        exporter.export(model, config, opset, Path(folder))
        return time.process_time() - start


def bar(count: int) -> float:
    return 1 + SLOPE * (count - 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog=__spec__.name if __spec__ else None, description=__doc__)
    parser.add_argument("--task", action="append", help="architecture/task; may be repeated")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    table = Table("task", "one export s", *(f"k = {count}" for count in COUNTS), "each further one")
    medians: dict[int, list[float]] = {count: [] for count in COUNTS}
    for name in options.task or TASKS:
        rounds = list(measure(name, rounds=options.rounds))
        for count in COUNTS:
            medians[count].append(statistics.median(one.ratio(count) for one in rounds))
        seconds = statistics.median(one.alone for one in rounds)
        further = statistics.median(
            one.shared[index] / one.alone
            for one, index in itertools.product(rounds, range(1, len(OPSETS)))
        )
        ratios = [f"{medians[count][-1]:.2f}" for count in COUNTS]
        table.add_row(name, f"{seconds:.2f}", *ratios, f"{further:.2f}")
    table.add_row("bar", "", *(f"{bar(count):.2f}" for count in COUNTS), f"{SLOPE:.2f}")
    is_within = all(max(medians[count]) <= bar(count) for count in COUNTS if count > 1)
    console = Console(width=110, highlight=False)
    console.print(table)
    console.print(
        f"k opsets beside one export, medians of {options.rounds} rounds: "
        f"{'within' if is_within else 'ABOVE'} the bar of 1 + {SLOPE} (k - 1)"
    )


if __name__ == "__main__":
    main()
