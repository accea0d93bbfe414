"""Compares cells per second, and shapes per cell, with optimum-onnx 0.1.0 and transformers 4.57.

Both sides export with TorchScript at the same opset, from the same weights, and validate: optimum
at the traced shape, the harness with every requirement. optimum has a separate virtual environment,
which is created in `--folder` on first use. Settings:

- `one process`: main_export against judge_cell, each in one warm process for all cells;
- `validated apart`: the same, but each of optimum's files is validated in a new process, which is
  the default of validate_models_outputs; on a CPU, main_export does not do so;
- `commands`: `optimum-cli export onnx` against `python -m harness export`, one process per cell;
- `as they are used`: `optimum-cli export onnx` per cell against one pytest run with one worker.

Cells that optimum cannot export are listed, and count on neither side.

The bars: at least 5 times the cells per second, at 15 times the shapes or more.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from benchmarks._cells import ROOT, add_selection, pytest_seconds, selected_cells
from benchmarks._measuring import Bar, make_console, make_parser, progress
from benchmarks._optimum import Optimum, OptimumExport, install
from harness.judge.cell import judge_cell
from harness.judge.shared_work import SharedWork
from harness.judge.warm_up import warm_up
from harness.records import CellId

SPEED = Bar.at_least(5.0)
SHAPES = Bar.at_least(15.0)
CELLS = {
    "architecture": "bert,gpt2~,llama,t5~,vit",
    "task": "fill-mask,text-classification,image-classification,text*-with-past",
    "exporter": "torchscript",
}
"""The default selection. optimum's dummy inputs do not fit the tiny models of bart and whisper."""

SETTINGS = ("one process", "validated apart", "commands", "as they are used")


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall seconds of optimum and of the harness for the same cells."""

    optimum: float
    harness: float

    @property
    def speed(self) -> float:
        """The harness's cells per second, divided by optimum's."""
        return self.optimum / self.harness


class Comparison:
    """Measures the settings with the cells that optimum can export.

    `refused` has the error of each cell that optimum cannot export.
    """

    def __init__(self, optimum: Optimum, cells: Sequence[CellId], profile: str) -> None:
        self._optimum = optimum
        self._profile = profile
        found = optimum.export_all(cells, validation="inside")
        self.refused = {
            str(cell): done.error for cell, done in zip(cells, found, strict=True) if done.error
        }
        self.cells = [cell for cell in cells if str(cell) not in self.refused]
        warm_up()
        judge_cell(self.cells[0], profile=profile)
        self.shapes = list(self._judge_all())

    def round(self, setting: str) -> Seconds:
        """Measure optimum and the harness once in this setting."""
        measures: dict[str, tuple[Callable[[], Sequence[OptimumExport]], Callable[[], object]]] = {
            "one process": (lambda: self._export_all("inside"), lambda: list(self._judge_all())),
            "validated apart": (
                lambda: self._export_all("subprocess"),
                lambda: list(self._judge_all()),
            ),
            "commands": (self._export_by_commands, self._run_harness_commands),
            "as they are used": (self._export_by_commands, self._run_pytest),
        }
        run_optimum, run_harness = measures[setting]
        optimum = sum(done.seconds for done in run_optimum())
        start = time.perf_counter()
        run_harness()
        return Seconds(optimum, time.perf_counter() - start)

    def _export_all(self, validation: str) -> list[OptimumExport]:
        return self._optimum.export_all(self.cells, validation=validation)

    def _export_by_commands(self) -> list[OptimumExport]:
        return [self._optimum.export_by_command(cell) for cell in self.cells]

    def _judge_all(self) -> Iterator[int]:
        """Judge all cells in this process and yield each cell's number of shapes."""
        work = SharedWork()
        for cell in self.cells:
            report = judge_cell(cell, profile=self._profile, work=work)
            yield max(record.examples for record in report.records)

    def _run_harness_commands(self) -> None:
        for cell in self.cells:
            with tempfile.TemporaryDirectory() as output:
                command = [sys.executable, "-m", "harness", "export", "--exporter", cell.exporter]
                model = ["--model", str(self._optimum.saved_model(cell)), "--task", cell.task]
                subprocess.run(
                    [*command, *model, "--opset", str(cell.opset), output],
                    cwd=ROOT,
                    capture_output=True,
                    check=False,
                )

    def _run_pytest(self) -> None:
        items = [f"conformance/test_conformance.py::test_cell[{cell}]" for cell in self.cells]
        opsets = ",".join(sorted({str(cell.opset) for cell in self.cells}))
        chosen = (f"--profile={self._profile}", "--architecture=*", f"--opset={opsets}")
        pytest_seconds("-n", "1", *chosen, *items)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__spec__, __doc__)
    add_selection(parser)
    parser.set_defaults(**CELLS)
    parser.add_argument("--folder", type=Path, default=ROOT / ".venv-optimum")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--setting", choices=SETTINGS, action="append")
    options = parser.parse_args(arguments)
    console = make_console()
    table = Table("setting", "cells", "optimum s per cell", "harness s per cell", "speed")
    speeds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as models:
        optimum = Optimum(install(options.folder), Path(models))
        comparison = Comparison(optimum, selected_cells(options), options.profile)
        count = len(comparison.cells)
        for setting in options.setting or SETTINGS:
            rounds = progress(range(options.rounds), setting)
            measured = [comparison.round(setting) for _ in rounds]
            speeds[setting] = statistics.median(one.speed for one in measured)
            per_cell = ((one.optimum / count, one.harness / count) for one in measured)
            sides = zip(*per_cell, strict=True)
            medians = [f"{statistics.median(side):.2f}" for side in sides]
            table.add_row(setting, str(count), *medians, f"{speeds[setting]:.2f}")
    console.print(table)
    for cell, error in comparison.refused.items():
        console.print(f"not compared, optimum cannot export it: {cell}: {error}")
    fewest = min(comparison.shapes)
    console.print(f"{fewest} times the shapes or more: {SHAPES.verdict(fewest)}")
    for setting, speed in speeds.items():
        console.print(
            f"{setting}: {speed:.2f} x the cells per second, median of {options.rounds} rounds: "
            f"{SPEED.verdict(speed)}"
        )


if __name__ == "__main__":
    main()
