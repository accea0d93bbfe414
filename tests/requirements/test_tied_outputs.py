"""An output that is a choice may be any of the classes with nearly equal best scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from transformers import BertForSequenceClassification
from transformers.modeling_outputs import ModelOutput

from harness import BertOnnxConfig, CellReport, Outcome, check, export
from harness.configs.base import NamedAxes
from harness.evidence.models import tiny_model

TASK = "text-classification"


@dataclass
class Chosen(ModelOutput):
    logits: torch.Tensor | None = None
    best: torch.Tensor | None = None


class Classifier(BertForSequenceClassification):
    """Also returns the best class; the second and the third class share the best score."""

    def forward(self, *args: Any, **keywords: Any) -> Chosen:
        logits = super().forward(*args, **keywords).logits
        best = logits[:, 1:2] + 50
        logits = torch.cat([logits[:, :1], best, best, logits[:, 3:]], dim=1)
        return Chosen(logits=logits, best=logits.argmax(dim=1))


class ExactOnnxConfig(BertOnnxConfig):
    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(logits={0: "batch_size"}, best={0: "batch_size"})


class ChoosingOnnxConfig(ExactOnnxConfig):
    CHOICES: ClassVar[Mapping[str, str]] = {"best": "logits"}


@pytest.fixture(scope="module")
def classifier() -> Any:
    model: Any = tiny_model("bert", TASK)
    model.__class__ = Classifier
    return model


@pytest.fixture
def judge(classifier: Any, tmp_path: Path) -> Callable[..., CellReport]:
    """Judge a file that adds `offsets` to its scores before it chooses."""

    def run(description: type[BertOnnxConfig], offsets: Mapping[int, float]) -> CellReport:
        config = description(classifier.config, task=TASK)
        export(classifier, config, tmp_path, opset=18, exporter="torchscript")
        path = tmp_path / "model.onnx"
        model = onnx.load(path)
        _add(model, offsets, count=classifier.config.num_labels)
        onnx.save(model, path)
        named = ["interface", "agreement", "padding", "runtime", "determinism"]
        return check(path, classifier, TASK, opset=18, config=config, requirements=named)

    return run


def _add(model: onnx.ModelProto, offsets: Mapping[int, float], *, count: int) -> None:
    values = np.zeros(count, np.float32)
    for index, offset in offsets.items():
        values[index] = offset
    model.graph.initializer.append(numpy_helper.from_array(values, "offsets"))
    (chooser,) = [node for node in model.graph.node if node.op_type == "ArgMax"]
    sums = helper.make_node("Add", [chooser.input[0], "offsets"], ["with_offsets"])
    model.graph.node.insert(list(model.graph.node).index(chooser), sums)
    chooser.input[0] = "with_offsets"


def test_the_other_of_two_tied_classes_conforms(judge: Callable[..., CellReport]) -> None:
    report = judge(ChoosingOnnxConfig, {2: 0.01})
    assert report.conforms, [record.message for record in report.records]


@pytest.mark.full
def test_without_a_declared_choice_the_other_class_fails(judge: Callable[..., CellReport]) -> None:
    record = judge(ExactOnnxConfig, {2: 0.01}).record("agreement")
    assert record.outcome is Outcome.FAILED
    assert "values of best" in record.message


def test_a_class_with_a_lower_score_fails(judge: Callable[..., CellReport]) -> None:
    record = judge(ChoosingOnnxConfig, {3: 200.0}).record("agreement")
    assert record.outcome is Outcome.FAILED
    assert "values of best" in record.message
