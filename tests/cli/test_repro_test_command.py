"""`repro --format onnx-test` writes a folder that runtimes read as a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

DECODER = "gpt2/text-generation/opset18/torchscript"
PARTS = "t5/text2text-generation-with-past/opset18/torchscript"
DATA = "test_data_set_0"


def read_tensors(folder: Path, kind: str) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """Return names and values of `<kind>_0.pb`, `<kind>_1.pb` and so on."""
    found = []
    for number in range(len(list(folder.glob(f"{kind}_*.pb")))):
        tensor = onnx.TensorProto.FromString((folder / f"{kind}_{number}.pb").read_bytes())
        found.append((tensor.name, numpy_helper.to_array(tensor)))
    return found


@pytest.mark.parametrize(("cell", "part"), [(DECODER, "model"), (PARTS, "decoder_with_past_model")])
def test_a_runtime_repeats_the_test(run: Any, cell: str, part: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "test_one"
    words = ("--axes", "batch_size=2", "--requirement", "agreement", "--format", "onnx-test")
    result = run("repro", cell, *words, "--part", part, "-o", folder)
    assert result.status == 0, result.err
    assert result.out == f"{folder} has a test of {cell}: {part}, agreement passed\n"
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    feed = read_tensors(folder / DATA, "input")
    assert [name for name, _ in feed] == [value.name for value in session.get_inputs()]
    expected = read_tensors(folder / DATA, "output")
    assert [name for name, _ in expected] == [value.name for value in session.get_outputs()]
    for (name, right), got in zip(expected, session.run(None, dict(feed)), strict=True):
        assert np.abs(right - got).max() < 1e-3, name
        assert right.std() > 0.01, name  # else zeros would agree too


def test_bad_input_is_one_line_and_writes_nothing(run: Any, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for words, expected in (
        (("-o", tmp_path / "there"), f"{tmp_path / 'there'} exists; give a folder that does not"),
        (("-o", tmp_path / "new", "--part", "decoder"), "part 'decoder' is not one of"),
    ):
        result = run("repro", DECODER, "--axes", "batch_size=1", "--format", "onnx-test", *words)
        assert (result.status, result.err.count("\n")) == (2, 1)
        assert expected in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
