"""Measures how long pytest takes to collect a matrix, and whether collection imports torch.

The bar: at most 10 s for 20,000 cells (median of the rounds), without importing torch.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks._cells import ROOT
from benchmarks._measuring import Bar, make_console, make_parser, progress
from benchmarks._plotting import add_plot, plot

BAR = Bar.at_most(10.0, " s")
CELLS = (1_250, 5_000, 20_000)
OPSETS = "14..18"
EXPORTERS = "dynamo,torchscript"
CELLS_OF_ARCHITECTURE = 50
"""5 tasks x 5 opsets x 2 exporters."""

MODULE = """
import atexit, pathlib, sys

from harness import NormalizedTextConfig, TextEncoderOnnxConfig, register

TASKS = (
    "feature-extraction", "fill-mask", "question-answering", "text-classification",
    "token-classification",
)

class SyntheticOnnxConfig(TextEncoderOnnxConfig):
    ATOL_FOR_VALIDATION = dict.fromkeys(TASKS, 1e-4)
    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
    INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")

for index in range({architectures}):
    described = type(f"Synthetic{{index}}OnnxConfig", (SyntheticOnnxConfig,), {{}})
    register(f"synthetic{{index}}", tasks=TASKS)(described)

@atexit.register
def write_whether_torch_was_imported():
    pathlib.Path({answer!r}).write_text(str("torch" in sys.modules))
"""


@dataclass(frozen=True, slots=True)
class Collected:
    """One collection: wall seconds of the whole process, and whether it imported torch."""

    cells: int
    seconds: float
    imported_torch: bool


def measure(counts: Sequence[int], *, rounds: int) -> Iterator[Collected]:
    """Collect a matrix of each size, in every round."""
    for _ in progress(range(rounds), "rounds"):
        yield from map(collect, counts)


def collect(cells: int) -> Collected:
    """Collect a matrix of `cells` cells; a generated module registers the architectures.

    Raises SystemExit if pytest collects another number of cells.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "torch-was-imported"
        architectures = cells // CELLS_OF_ARCHITECTURE
        text = MODULE.format(architectures=architectures, answer=str(answer))
        (Path(folder) / "synthetic_registry.py").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
        start = time.perf_counter()
        done = subprocess.run(
            [
                *(*command, "--config-module=synthetic_registry", "--architecture=synthetic*"),
                *(f"--opset={OPSETS}", f"--exporter={EXPORTERS}"),
                "conformance/test_conformance.py",
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        if f"\n{cells} tests collected" not in done.stdout:
            output = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
            raise SystemExit(f"pytest did not collect {cells} cells: {output}")
        return Collected(cells, seconds, answer.read_text(encoding="utf-8") == "True")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__spec__, __doc__)
    parser.add_argument("--cells", type=int, action="append", help="may be repeated")
    parser.add_argument("--rounds", type=int, default=5)
    add_plot(parser)
    options = parser.parse_args(arguments)
    counts = sorted(options.cells or CELLS)
    collected = list(measure(counts, rounds=options.rounds))
    medians = {
        count: statistics.median(one.seconds for one in collected if one.cells == count)
        for count in counts
    }
    table = Table("cells", "seconds", "ms per cell")
    for count, seconds in medians.items():
        table.add_row(f"{count:,}", f"{seconds:.2f}", f"{1000 * seconds / count:.2f}")
    imported = "with" if any(one.imported_torch for one in collected) else "without"
    most, seconds = max(medians.items())
    console = make_console()
    console.print(table)
    verdict = BAR.verdict(seconds) if imported == "without" else "ABOVE the bar, which is without"
    console.print(
        f"{most:,} cells are collected in {seconds:.2f} s {imported} torch, "
        f"median of {options.rounds} rounds: {verdict}"
    )
    if options.plot:
        curve = list(medians.items())
        bar = [(count, BAR.limit) for count in counts]
        names = {"x": "cells", "y": "seconds", "bar_name": "bar"}
        plot(options.plot, {"pytest --collect-only": curve}, bar=bar, **names)


if __name__ == "__main__":
    main()
