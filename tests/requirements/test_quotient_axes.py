"""Axes that are quotients: a file that rounds the other way, or states another stride, is refused.

The outputs of wav2vec 2.0 have one vector for each frame: about one for every eight samples. Those
of Swin have one for each position: one for every square of four pixels, of which the last may lack
some.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from harness import CellId, Outcome, Record, check, judge_cell, register_exporter
from harness.exporters._torch import Target
from harness.exporters.torchscript import TorchScriptExporter

SPEECH = ("wav2vec2", "feature-extraction")
IMAGES = ("swin", "feature-extraction")
FRAMES = "(sequence_length - 10) // 8 - 1"
"""Kernels 10, 3 and 2, strides 4, 2 and 1."""


class _WritesFrames(TorchScriptExporter):
    """Writes a text of its own on the second axis of the first output."""

    name = "writes-frames"
    opsets = (18,)

    def __init__(self, text: str) -> None:
        self.text = text

    def write(self, model: Any, tensors: Any, target: Target) -> None:
        super().write(model, tensors, target)
        written = onnx.load(target.path)
        written.graph.output[0].type.tensor_type.shape.dim[1].dim_param = self.text
        onnx.save(written, target.path)


def judge(pair: tuple[str, str], text: str) -> Record:
    register_exporter(_WritesFrames(text))
    cell = CellId.parse("/".join((*pair, "opset18", _WritesFrames.name)))
    report = judge_cell(cell, requirements=["dynamic-axes"], profile="smoke")
    return report.record("dynamic-axes")


@pytest.mark.gate_cases(3)
@pytest.mark.parametrize(
    ("pair", "text"),
    [
        (SPEECH, FRAMES),
        (SPEECH, "floor((sequence_length - 18) / 8)"),
        (SPEECH, "(sequence_length + 6) // 8 - 3"),
        (IMAGES, "((width + 3) // 4) * ((height + 3) // 4)"),
        (IMAGES, "(((height + 1) // 2 + 1) // 2) * ceil(width / 4)"),
    ],
)
def test_an_axis_may_be_written_in_any_way(pair: tuple[str, str], text: str) -> None:
    assert judge(pair, text).outcome is Outcome.PASSED


@pytest.mark.gate_cases(4)
@pytest.mark.parametrize(
    ("pair", "text"),
    [
        (SPEECH, "ceil((sequence_length - 10) / 8) - 1"),
        (SPEECH, "(sequence_length - 10) // 9 - 1"),
        (SPEECH, "(sequence_length - 11) // 8 - 1"),
        (SPEECH, "batch_size"),
        (IMAGES, "(height // 4) * (width // 4)"),
        (IMAGES, "ceil(height * width / 16)"),
        (IMAGES, "ceil(height / 4) * ceil(height / 4)"),
    ],
)
def test_another_quotient_is_refused(pair: tuple[str, str], text: str) -> None:
    record = judge(pair, text)
    assert record.outcome is Outcome.FAILED
    assert f"axis 1 of last_hidden_state: got the symbol {text!r}" in record.message


def test_a_file_with_another_stride_is_refused_by_its_shapes(
    exported: Callable[..., Path], subject: Callable[..., Any], tmp_path: Path
) -> None:
    model = onnx.load(exported(*SPEECH))
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    next(a for a in first.attribute if a.name == "strides").ints[:] = [5]
    onnx.save(model, tmp_path / "model.onnx")
    report = check(
        tmp_path, subject(*SPEECH).model, SPEECH[1], opset=18, requirements=["dynamic-axes"]
    )
    record = report.record("dynamic-axes")
    assert record.outcome is Outcome.FAILED
    assert "shape of last_hidden_state: got" in record.message
    assert "(sequence_length - 10) // 4 + 1" in record.message
