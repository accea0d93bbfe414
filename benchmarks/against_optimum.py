"""Cells per second and shapes of each cell, beside optimum-onnx 0.1.0 with transformers 4.57.

Both export with TorchScript at the same opset, from the same weights, and validate: optimum at the
shape that it has traced; ours on every requirement. optimum gets a virtual environment of its own,
which is made in `--folder` the first time. Settings, each counted as long as its table says:

- `one process`: main_export again and again beside judge_cell, each in a warm process of its own;
- `validated apart`: the same, where each of optimum's files is validated by validate_models_outputs
  with its default, in a process that is started for it; main_export does so on no CPU;
- `commands`: `optimum-cli export onnx` beside `python -m harness export`, one for each cell;
- `as they are used`: `optimum-cli export onnx` for each cell beside one run of pytest, one worker.

What optimum cannot export is told and counts on neither side.

The bars: at least 5 times the cells per second, at no less than 15 times the shapes.
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
from benchmarks._optimum import Done, Optimum, install
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
"""Unless chosen otherwise. Optimum's own inputs do not fit models as small as bart and whisper."""

SETTINGS = ("one process", "validated apart", "commands", "as they are used")


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall seconds of both sides for the same cells."""

    optimum: float
    ours: float

    @property
    def speed(self) -> float:
        """Our cells per second beside theirs."""
        return self.optimum / self.ours


class Comparison:
    """The settings, over the cells that optimum can export."""

    def __init__(self, optimum: Optimum, cells: Sequence[CellId], profile: str) -> None:
        self._optimum = optimum
        self._profile = profile
        found = optimum.exported(cells, validation="inside")
        self.refused = {
            str(cell): done.error for cell, done in zip(cells, found, strict=True) if done.error
        }
        self.cells = [cell for cell in cells if str(cell) not in self.refused]
        warm_up()
        judge_cell(self.cells[0], profile=profile)
        self.shapes = list(self._judged())

    def round(self, setting: str) -> Seconds:
        """Both sides once."""
        measures: dict[str, tuple[Callable[[], Sequence[Done]], Callable[[], object]]] = {
            "one process": (lambda: self._exported("inside"), lambda: list(self._judged())),
            "validated apart": (lambda: self._exported("beside"), lambda: list(self._judged())),
            "commands": (self._commanded, self._our_commands),
            "as they are used": (self._commanded, self._our_run),
        }
        theirs, ours = measures[setting]
        optimum = sum(done.seconds for done in theirs())
        start = time.perf_counter()
        ours()
        return Seconds(optimum, time.perf_counter() - start)

    def _exported(self, validation: str) -> list[Done]:
        return self._optimum.exported(self.cells, validation=validation)

    def _commanded(self) -> list[Done]:
        return [self._optimum.commanded(cell) for cell in self.cells]

    def _judged(self) -> Iterator[int]:
        """Judge all in this process; yields the shapes of each."""
        work = SharedWork()
        for cell in self.cells:
            report = judge_cell(cell, profile=self._profile, work=work)
            yield max(record.examples for record in report.records)

    def _our_commands(self) -> None:
        for cell in self.cells:
            with tempfile.TemporaryDirectory() as output:
                command = [sys.executable, "-m", "harness", "export", "--exporter", cell.exporter]
                model = ["--model", str(self._optimum.saved(cell)), "--task", cell.task]
                subprocess.run(
                    [*command, *model, "--opset", str(cell.opset), output],
                    cwd=ROOT,
                    capture_output=True,
                    check=False,
                )

    def _our_run(self) -> None:
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
    table = Table("setting", "cells", "optimum s a cell", "ours s a cell", "speed")
    speeds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as models:
        optimum = Optimum(install(options.folder), Path(models))
        comparison = Comparison(optimum, selected_cells(options), options.profile)
        count = len(comparison.cells)
        for setting in options.setting or SETTINGS:
            rounds = progress(range(options.rounds), setting)
            measured = [comparison.round(setting) for _ in rounds]
            speeds[setting] = statistics.median(one.speed for one in measured)
            sides = zip(*((one.optimum / count, one.ours / count) for one in measured), strict=True)
            medians = [f"{statistics.median(side):.2f}" for side in sides]
            table.add_row(setting, str(count), *medians, f"{speeds[setting]:.2f}")
    console.print(table)
    for cell, error in comparison.refused.items():
        console.print(f"not compared, optimum refuses it: {cell}: {error}")
    fewest = min(comparison.shapes)
    console.print(f"{fewest} times the shapes and more: {SHAPES.verdict(fewest)}")
    for setting, speed in speeds.items():
        console.print(
            f"{setting}: {speed:.2f} x the cells per second, median of {options.rounds} rounds: "
            f"{SPEED.verdict(speed)}"
        )


if __name__ == "__main__":
    main()
