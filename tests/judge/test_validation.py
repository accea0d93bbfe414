"""`validate_model_outputs` raises an error for each mismatch, and returns nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness import (
    AtolError,
    DtypeError,
    NonFiniteError,
    OutputMatchError,
    RuntimeRefusalError,
    ShapeError,
    UsageError,
    ValidationError,
    validate_model_outputs,
)

TASK = "text-classification"
Append = Callable[[onnx.ModelProto], None]


def _node(operator: str, operand: Any, **attributes: Any) -> Append:
    """Return an edit that appends a node with `operator` after the logits."""

    def append(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.output[:] = ["before" if name == "logits" else name for name in node.output]
        inputs = ["before"]
        if operand is not None:
            model.graph.initializer.append(numpy_helper.from_array(operand, "operand"))
            inputs.append("operand")
        model.graph.node.append(helper.make_node(operator, inputs, ["logits"], **attributes))

    return append


def _double(model: onnx.ModelProto) -> None:
    _node("Cast", None, to=TensorProto.DOUBLE)(model)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def _transposed(model: onnx.ModelProto) -> None:
    _node("Transpose", None, perm=[1, 0])(model)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "batch_size"
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 6


@pytest.mark.parametrize(
    ("append", "error"),
    [
        (_node("Add", np.array(1e-3, dtype=np.float32)), AtolError),
        (_node("Mul", np.array(np.nan, dtype=np.float32)), NonFiniteError),
        (_node("Mul", np.array(np.inf, dtype=np.float32)), NonFiniteError),
        (_double, DtypeError),
        (_transposed, ShapeError),
        (_node("Reshape", np.array([3, 6])), RuntimeRefusalError),
    ],
    ids=["offset", "nan", "inf", "float64", "transposed", "baked"],
)
def test_a_mismatch_raises_its_error(
    append: Append,
    error: type[Exception],
    subject: Callable[..., Any],
    exported: Callable[..., Path],
    tmp_path: Path,
) -> None:
    model = onnx.load(exported("bert", TASK))
    append(model)
    onnx.save(model, tmp_path / "model.onnx")
    one = subject("bert", TASK)
    with pytest.raises(error, match="batch_size="):
        validate_model_outputs(one.config, one.model, tmp_path / "model.onnx", ["logits"])


@pytest.mark.parametrize("atol", [None, 1e-4, {TASK: 1e-4}])
def test_agreement_returns_nothing_whatever_form_the_tolerance_has(
    atol: Any, subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    one = subject("bert", TASK)
    path = exported("bert", TASK)
    assert validate_model_outputs(one.config, one.model, path, ["logits"], atol) is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("atol", [1e-12, {TASK: 1e-12, "fill-mask": 1.0}])
def test_the_tolerance_of_the_task_decides(
    atol: Any, subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    one = subject("bert", TASK)
    with pytest.raises(AtolError, match="1e-12"):
        validate_model_outputs(one.config, one.model, exported("bert", TASK), ["logits"], atol)


@pytest.mark.parametrize(
    ("atol", "said"), [({"fill-mask": 1.0}, f"entry for {TASK}"), (-1.0, "atol -1.0")]
)
def test_a_tolerance_that_cannot_be_used_is_bad_input(
    atol: Any, said: str, subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    one = subject("bert", TASK)
    with pytest.raises(UsageError, match=said):
        validate_model_outputs(one.config, one.model, exported("bert", TASK), ["logits"], atol)


@pytest.mark.parametrize("names", [[], ["scores"], ["logits", "hidden"]])
def test_other_output_names(
    names: list[str], subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    one = subject("bert", TASK)
    with pytest.raises(OutputMatchError, match="got logits"):
        validate_model_outputs(one.config, one.model, exported("bert", TASK), names)


def test_a_tolerance_that_nothing_could_exceed_raises(
    subject: Callable[..., Any], exported: Callable[..., Path]
) -> None:
    one = subject("bert", TASK)
    with pytest.raises(ValidationError, match="zeros would have passed"):
        validate_model_outputs(one.config, one.model, exported("bert", TASK), ["logits"], atol=1e6)
