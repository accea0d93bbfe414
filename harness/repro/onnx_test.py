"""Write the example of a cell as a test of ONNX: the file, its inputs, and eager's outputs.

Runtimes and `onnx.backend.test` read this form: `model.onnx` beside `test_data_set_0/input_0.pb`,
`output_0.pb` and so on, in the order of the file's inputs and outputs.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError, suggest
from harness.evidence.onnx_file import graph_inputs, graph_outputs
from harness.judge.cell import prepare_cell, why_not_applicable
from harness.repro.finding import feeds_for, record_to_show

if TYPE_CHECKING:
    import torch

    from harness.configs.feeds import Feed
    from harness.evidence.sides import PartEvidence
    from harness.judge.cell import CellRequest
    from harness.judge.prepared_cell import PreparedCell
    from harness.records import Record

MODEL, DATA = "model.onnx", "test_data_set_0"


@dataclass(frozen=True, slots=True)
class WrittenTest:
    """The part and the record that a written test shows, and the folder of each of its files."""

    part: str
    record: Record
    folder: Path


def write_onnx_test(request: CellRequest, output: Path, *, part: str | None = None) -> WrittenTest:
    """Write the first failure of a cell, or an example on which `agreement` holds, to a new folder.

    `part` selects the file. Raises UsageError, and writes nothing, if the folder exists, or if the
    exporter writes no file.
    """
    if output.exists():
        raise UsageError(f"{output} exists; give a folder that does not")
    reason = why_not_applicable(request)
    if reason is not None:
        raise UsageError(f"{request.cell}: no test is written: {reason}")
    with prepare_cell(request) as prepared:
        record = record_to_show(prepared)
        if record.requirement == "export":
            raise UsageError(f"{request.cell}: no file to test: {record.headline}")
        chosen, feed = _choose(prepared, record, part)
        _write(chosen, feed, output)
    return WrittenTest(chosen.stem, record, output)


def _choose(
    prepared: PreparedCell, record: Record, part: str | None
) -> tuple[PartEvidence, dict[str, torch.Tensor]]:
    """Return the part with the largest error, or the one that is asked for, and a feed of it."""
    known = {one.stem: one for one in prepared.evidence.parts}
    if part is not None and part not in known:
        raise UsageError(f"part {part!r} is not one of {prepared.cell}; {suggest(part, known)}")
    for one in feeds_for(prepared, record):
        if part in (None, one.part):
            return known[one.part], dict(one.feed)
    chosen = known[part or record.part or next(iter(known))]
    return chosen, chosen.feed(prepared.examples[0])


def _write(part: PartEvidence, feed: dict[str, torch.Tensor], output: Path) -> None:
    """Write the folder under a temporary name, then rename it."""
    expected = part.eager(feed)
    arrays: Feed = {name: tensor.numpy() for name, tensor in feed.items()}
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".onnx-test-") as temporary:
            folder = Path(temporary, output.name)
            (folder / DATA).mkdir(parents=True)
            shutil.copy(part.path, folder / MODEL)
            for data in part.path.parent.glob(f"{part.path.name}?*"):  # the file names its data
                shutil.copy(data, folder)
            _write_tensors(arrays, graph_inputs(part.model_proto), folder / DATA, "input")
            _write_tensors(expected, graph_outputs(part.model_proto), folder / DATA, "output")
            folder.rename(output)
    except OSError as error:
        raise UsageError(f"{output}: cannot be written ({error.strerror})") from error


def _write_tensors(arrays: Feed, names: Iterable[str], folder: Path, kind: str) -> None:
    from onnx import numpy_helper

    for number, name in enumerate(names):
        if name in arrays:
            tensor = numpy_helper.from_array(arrays[name], name)
            (folder / f"{kind}_{number}.pb").write_bytes(tensor.SerializeToString())
