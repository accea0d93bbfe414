"""`dynamic-axes`: what fails users' files, and what only a tiny model or an own export."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from harness import CellId, Outcome, Record, check, judge_cell, register_exporter
from harness.evidence.cell_files import Source
from harness.evidence.evidence import Evidence
from harness.exporters._torch import Target
from harness.exporters.torchscript import TorchScriptExporter
from harness.requirements.dynamic_axes import examine
from tests.faults.library import description_kinds as wrong

GPT2 = ("gpt2", "text-generation-with-past")


@pytest.mark.parametrize("judges_description", [True, False])
def test_a_wrong_description_fails_tiny_models_and_no_files_of_users(
    *, judges_description: bool, subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    one = subject(*GPT2)
    evidence = Evidence(
        model=one.model,
        config=wrong.DoubledPast(one.config.config, task=GPT2[1]),
        source=Source(files=OrderedDict(model=exported(*GPT2))),
        judges_description=judges_description,
    )
    found = [finding.message for finding in examine(evidence)]
    assert any("does not read" in message for message in found) is judges_description
    assert bool(found) is judges_description


VIT = ("vit", "image-classification")


def name_dims(value: Any, names: dict[int, str]) -> None:
    """Write symbols on the axes of a graph input or output."""
    for axis, name in names.items():
        value.type.tensor_type.shape.dim[axis].dim_param = name


def name_image_axes(model: onnx.ModelProto) -> None:
    """As Optimum's files."""
    name_dims(model.graph.input[0], {1: "num_channels", 2: "height", 3: "width"})


def name_classes(model: onnx.ModelProto) -> None:
    name_dims(model.graph.output[0], {1: "classes"})


def name_channels_and_height_alike(model: onnx.ModelProto) -> None:
    name_dims(model.graph.input[0], {1: "size", 2: "size"})


@pytest.fixture
def judge_vit(
    exported: Callable[..., Path], subject: Callable[..., Any], tmp_path: Path
) -> Callable[..., Record]:
    """Judge an edited copy of a correct file of ViT, whose images have one size."""

    def judge(edit: Callable[[onnx.ModelProto], None]) -> Record:
        model = onnx.load(exported(*VIT))
        edit(model)
        onnx.save(model, tmp_path / "model.onnx")
        report = check(
            tmp_path, subject(*VIT).model, VIT[1], opset=18, requirements=["dynamic-axes"]
        )
        return report.record("dynamic-axes")

    return judge


def test_symbols_on_fixed_axes_of_images_are_notes_for_foreign_files(
    judge_vit: Callable[..., Record],
) -> None:
    record = judge_vit(name_image_axes)
    assert record.outcome is Outcome.PASSED
    assert record.message.count("expected a static size") == 3
    assert "axis 2 of pixel_values: got the symbol 'height'" in record.message


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (name_classes, "axis 1 of logits: got the symbol 'classes'"),
        (name_channels_and_height_alike, "for the symbol 'size', expected"),
    ],
)
def test_other_symbols_fail_as_before(
    edit: Any, said: str, judge_vit: Callable[..., Record]
) -> None:
    record = judge_vit(edit)
    assert record.outcome is Outcome.FAILED
    assert said in record.message


class _NamesImageAxes(TorchScriptExporter):
    name = "names-image-axes"
    opsets = (18,)

    def write(self, model: Any, tensors: Any, target: Target) -> None:
        super().write(model, tensors, target)
        written = onnx.load(target.path)
        name_image_axes(written)
        onnx.save(written, target.path)


def test_they_fail_our_own_exports() -> None:
    register_exporter(_NamesImageAxes())
    cell = CellId.parse("/".join((*VIT, "opset18", _NamesImageAxes.name)))
    report = judge_cell(cell, requirements=["dynamic-axes"], profile="smoke")
    assert report.record("dynamic-axes").outcome is Outcome.FAILED


def keep_one_row(model: onnx.ModelProto) -> None:
    """Return the logits of the first row alone, however many rows there are."""
    for node in model.graph.node:
        node.output[:] = ["every_row" if name == "logits" else name for name in node.output]
    bounds = {"start": [0], "end": [1]}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), name) for name, value in bounds.items()
    )
    model.graph.node.append(helper.make_node("Slice", ["every_row", *bounds], ["logits"]))


def test_the_exporter_is_blamed_if_eager_keeps_to_the_declared_shapes(
    judge_vit: Callable[..., Record],
) -> None:
    record = judge_vit(keep_one_row)
    assert record.outcome is Outcome.FAILED
    assert "axis 0 of logits" in record.message
    assert record.blame == "exporter"
