"""A fault is refused by the step that it concerns, and by no other."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from harness import CellReport
from tests.faults.library import FAULTS
from tests.faults.library.cases import Edited
from tests.faults.library.surgery import Edit
from tests.low_precision.conftest import TASK, step_outcomes

Judge = Callable[..., CellReport]
WRONG = {"failed", "errored", "crashed", "timed_out"}


def failed_steps(report: CellReport) -> set[str]:
    return {step for step, outcome in step_outcomes(report).items() if outcome in WRONG}


def edit_of(name: str) -> Edit:
    """Return the edit of a fault of the float32 file."""
    found = (f.case for f in FAULTS if f.name == name and f.subject.architecture == "bert")
    (case,) = found
    assert isinstance(case, Edited)
    return case.edit


def initializers(model: onnx.ModelProto, ending: str) -> Iterable[onnx.TensorProto]:
    return [one for one in model.graph.initializer if one.name.endswith(ending)]


def change(tensor: onnx.TensorProto, edit: Callable[[np.ndarray[Any, Any]], Any]) -> None:
    """Edit the numbers of a tensor in place."""
    values = numpy_helper.to_array(tensor).copy()
    changed = edit(values)
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(changed, values.dtype), tensor.name))


def widen_scale(model: onnx.ModelProto) -> None:
    weight = next(iter(initializers(model, "_quantized"))).name.removesuffix("_quantized")
    (scale,) = initializers(model, f"{weight}_scale")
    change(scale, lambda values: values * 1.02)


def move_zero_point(model: onnx.ModelProto) -> None:
    """Move the zero point of the first block by one code."""
    points = next(one for one in initializers(model, "") if "zero_point" in one.name)
    change(points, lambda values: _first(values, lambda code: code ^ 1))


def exchange_scales(model: onnx.ModelProto) -> None:
    """Exchange the scales of the first two blocks."""
    scales = next(one for one in initializers(model, "") if "scale" in one.name)
    change(scales, lambda values: _flat(values, [1, 0, *range(2, values.size)]))


def _first(values: np.ndarray[Any, Any], edit: Callable[[Any], Any]) -> np.ndarray[Any, Any]:
    values.flat[0] = edit(values.flat[0])
    return values


def _flat(values: np.ndarray[Any, Any], order: list[int]) -> np.ndarray[Any, Any]:
    return values.ravel()[order].reshape(values.shape)


def spoil_scale(model: onnx.ModelProto) -> None:
    change(next(iter(initializers(model, "_scale"))), lambda values: values * np.nan)


@pytest.mark.parametrize("form", ["int8", "q4", "fp16"])
@pytest.mark.parametrize(
    "name",
    [
        "tanh-for-erf",
        "another-epsilon",
        "ignores-mask",
        "ignores-token-types",
        "queries-for-keys",
        "counts-positions-from-one",
    ],
)
@pytest.mark.gate_cases(3)
def test_a_wrong_graph_is_refused_by_graph(name: str, form: str, judge: Judge) -> None:
    report = judge(form, before=edit_of(name), requirements=["stored-weights", "agreement"])
    assert report.record("stored-weights").outcome == "passed"
    assert report.record("graph/agreement").outcome == "failed"
    assert report.record("graph/agreement").blame == "exporter"


@pytest.mark.parametrize(
    ("form", "edit"),
    [
        ("int8", widen_scale),
        ("q4", move_zero_point),
        ("q4", exchange_scales),
        ("uint8", widen_scale),
    ],
)
def test_a_wrong_weight_is_refused_by_stored_weights(form: str, edit: Edit, judge: Judge) -> None:
    report = judge(form, after=edit)
    assert failed_steps(report) == {"stored-weights"}
    record = report.record("stored-weights")
    assert record.blame == "quantiser"
    assert "steps from the checkpoint's" in record.message


@pytest.mark.parametrize("form", ["int8", "fp16"])  # a code of q4 stands for more numbers
def test_a_changed_weight_is_refused_by_stored_weights(form: str, judge: Judge) -> None:
    report = judge(form, before=edit_of("one-weight-changed"), requirements=["stored-weights"])
    assert failed_steps(report) == {"stored-weights"}


def test_a_weight_far_outside_of_its_range_is_refused(judge: Judge, subject: Any) -> None:
    model = copy.deepcopy(subject("bert", TASK).model)
    weight = model.bert.encoder.layer[0].attention.self.query.weight
    with torch.no_grad():
        row, column = divmod(int(weight.abs().argmax()), weight.shape[1])
        weight[row, column] *= 3
    report = judge("int8", model=model, requirements=["stored-weights", "agreement"])
    assert failed_steps(report) == {"stored-weights"}
    assert report.record("graph/agreement").outcome == "passed"
    assert "outside of the codes' range" in report.record("stored-weights").message


def test_a_scale_that_is_no_number_does_not_load(judge: Judge) -> None:
    report = judge("int8", after=spoil_scale, requirements=["loads", "kernels"])
    assert report.record("loads").outcome == "failed"
    assert "that are not finite" in report.record("loads").message
