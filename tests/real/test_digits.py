"""A ViT with trained weights reads handwritten digits alike in eager and in its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from transformers import AutoModelForImageClassification

from harness import TasksManager, export
from tests.real.digits.data import Digits, load
from tests.real.digits.train import FOLDER

TASK = "image-classification"


@pytest.fixture(scope="module")
def digits() -> Digits:
    return load()[1]


def eager_labels(digits: Digits) -> torch.Tensor:
    model = AutoModelForImageClassification.from_pretrained(FOLDER)
    with torch.no_grad():
        return model(pixel_values=digits.pixels).logits.argmax(dim=1)


def labels_of(file: Path, digits: Digits) -> torch.Tensor:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"pixel_values": digits.pixels.numpy()})
    return torch.tensor(logits).argmax(dim=1)


def exported(exporter: str, folder: Path) -> Path:
    model = AutoModelForImageClassification.from_pretrained(FOLDER)
    config = TasksManager.get_exporter_config_constructor("onnx", model, task=TASK)(model.config)
    export(model, config, folder, opset=18, exporter=exporter)
    return folder / "model.onnx"


def test_the_weights_are_small_and_read_nearly_all_images(digits: Digits) -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 1_000_000
    right = (eager_labels(digits) == digits.labels).float().mean()
    assert right > 0.95


@pytest.mark.full
@pytest.mark.parametrize("exporter", ["dynamo", "torchscript", "transformers"])
def test_all_images_are_read_alike(exporter: str, digits: Digits, tmp_path: Path) -> None:
    file = exported(exporter, tmp_path)
    assert torch.equal(labels_of(file, digits), eager_labels(digits))


@pytest.mark.full
def test_a_file_with_exchanged_positions_reads_otherwise(digits: Digits, tmp_path: Path) -> None:
    file = exported("torchscript", tmp_path)
    model = onnx.load(file)
    patches = 1 + 4 * 4
    (positions,) = (one for one in model.graph.initializer if list(one.dims)[:2] == [1, patches])
    reversed_rows = np.ascontiguousarray(numpy_helper.to_array(positions)[:, ::-1])
    positions.CopyFrom(numpy_helper.from_array(reversed_rows, positions.name))
    onnx.save(model, file)
    assert not torch.equal(labels_of(file, digits), eager_labels(digits))
