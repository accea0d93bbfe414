"""Compares the cost of judging cells with the cost of a plain export-and-compare loop.

For each cell, the loop calls torch.onnx.export, opens the file in ONNX Runtime and compares with
eager PyTorch by numpy.allclose, at the shape of the export. Judging does all that a worker does
with the same cells: every requirement, on corners and drawn examples. Both run in this process
with warm imports, one task after the other. Times are processor seconds. There is no bar.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks._cells import add_selection, selected_cells, tiny_cell
from benchmarks._measuring import make_console, make_parser, progress
from harness.exporters import get_exporter
from harness.exporters._quiet import quiet
from harness.judge.cell import judge_cell
from harness.judge.shared_work import SharedWork
from harness.judge.warm_up import warm_up
from harness.records import CellId

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig


EXPORTERS = "dynamo,torchscript"
"""The exporters that torch.onnx.export has, which the loop calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The cells of one task: processor seconds of the loop and of judging, the number of cells
    that the loop found equal, and the number of shapes at which each cell was judged."""

    cells: Sequence[CellId]
    loop: float
    judged: float
    equal: int
    shapes: Sequence[int]

    @property
    def ratio(self) -> float:
        return self.judged / self.loop


def measure(cells: Sequence[CellId], profile: str) -> Iterator[Compared]:
    """Measure the loop and judging, one task at a time."""
    work = SharedWork()
    tasks = [list(group) for _, group in groupby(cells, _task)]
    for task in progress(tasks, "tasks"):
        start = time.process_time()
        equal = sum(map(is_equal, task))
        middle = time.process_time()
        reports = [judge_cell(cell, profile=profile, work=work) for cell in task]
        yield Compared(
            cells=task,
            loop=middle - start,
            judged=time.process_time() - middle,
            equal=equal,
            shapes=[max(record.examples for record in report.records) for report in reports],
        )


def _task(cell: CellId) -> str:
    return str(cell).rpartition("/opset")[0]


def is_equal(cell: CellId) -> bool:
    """Return the loop's verdict on a cell; false if the cell cannot be exported or run."""
    from harness.evidence.session import single_thread

    model, config = tiny_cell(cell)
    with tempfile.TemporaryDirectory() as folder, single_thread(), quiet():
        try:
            parts = config.parts.items()
            return all(_compare(model, p, cell, Path(folder, stem)) for stem, p in parts)
        except Exception:  # exporters and the runtime raise many types
            return False


def _compare(model: nn.Module, config: OnnxConfig, cell: CellId, path: Path) -> bool:
    import numpy as np
    import onnxruntime
    import torch

    from harness.exporters._wrapper import FlatModel, export_copy

    exporter: Any = get_exporter(cell.exporter)
    prepared = exporter.prepare(export_copy(model), cell.opset)
    flat = FlatModel(config.patch_model_for_export(prepared), config)
    feed = config.generate_dummy_inputs()
    torch.onnx.export(
        flat,
        tuple(feed.values()),
        str(path),
        input_names=list(feed),
        output_names=list(config.outputs),
        opset_version=cell.opset,
        **_dynamic(config, cell),
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    taken = {node.name for node in session.get_inputs()}
    given = {name: tensor.numpy() for name, tensor in feed.items() if name in taken}
    with torch.no_grad():
        expected = flat(*feed.values())
    pairs = zip(expected, session.run(None, given), strict=True)
    return all(np.allclose(one.numpy(), other, atol=config.atol) for one, other in pairs)


def _dynamic(config: OnnxConfig, cell: CellId) -> dict[str, Any]:
    from harness.exporters.dynamo import dynamic_shapes

    if cell.exporter == "dynamo":
        return {"dynamo": True, "dynamic_shapes": (dynamic_shapes(config),), "verbose": False}
    return {"dynamo": False, "dynamic_axes": {**config.inputs, **config.outputs}}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = make_parser(__spec__, __doc__)
    add_selection(parser)
    parser.set_defaults(exporter=EXPORTERS)
    options = parser.parse_args(arguments)
    cells = selected_cells(options)
    warm_up()
    list(measure(cells[:1], options.profile))
    compared = list(measure(cells, options.profile))
    table = Table("task", "cells", "loop s", "judged s", "ratio", "equal to the loop", "shapes")
    for one in compared:
        numbers = (one.loop, one.judged, one.ratio)
        counts = (f"{one.equal} of {len(one.cells)}", f"{min(one.shapes)}")
        table.add_row(
            _task(one.cells[0]), str(len(one.cells)), *(f"{n:.2f}" for n in numbers), *counts
        )
    whole = sum(one.judged for one in compared) / sum(one.loop for one in compared)
    median = statistics.median(one.ratio for one in compared)
    fewest = min(shape for one in compared for shape in one.shapes)
    console = make_console()
    console.print(table)
    console.print(
        f"judging {len(cells)} cells at {fewest} shapes or more takes {whole:.2f} x a plain loop "
        f"at one shape; the median of {len(compared)} tasks is {median:.2f}"
    )


if __name__ == "__main__":
    main()
