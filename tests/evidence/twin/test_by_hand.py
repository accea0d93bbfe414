"""Twins of files whose graph turns codes into weights by Cast, Sub and Mul."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.evidence.file_notes import explain_quantised_operators
from harness.evidence.twin import make_twin
from tests.evidence.twin.small_models import run

SHAPE = (6, 6)
CODES = np.random.default_rng(0).integers(-127, 128, SHAPE).astype(np.int8)
ONE = np.array(0.02, np.float32)
FEED = {"x": np.random.default_rng(1).standard_normal((2, 6)).astype(np.float32)}


def build(scale: np.ndarray, zero: np.ndarray | None, *, twice: bool = False) -> onnx.ModelProto:
    """Return a product with a weight of codes; with `twice`, the cast codes are an output too."""
    nodes = [helper.make_node("Cast", ["weight_q"], ["cast"], to=TensorProto.FLOAT)]
    constants = {"weight_q": CODES, "weight_scale": scale}
    last = "cast"
    if zero is not None:
        constants["weight_zero"] = zero
        nodes.append(helper.make_node("Sub", [last, "weight_zero"], ["shifted"]))
        last = "shifted"
    nodes.append(helper.make_node("Mul", [last, "weight_scale"], ["weight"]))
    nodes.append(helper.make_node("MatMul", ["x", "weight"], ["y"]))
    outputs = ["y", "cast"] if twice else ["y"]
    graph = helper.make_graph(
        nodes,
        "by_hand",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 6])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 6]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


SCALES = {
    "one": ONE,
    "by column": np.linspace(0.01, 0.06, 6, dtype=np.float32)[None],
    "by row": np.linspace(0.01, 0.06, 6, dtype=np.float32)[:, None],
    "by column, one axis": np.linspace(0.01, 0.06, 6, dtype=np.float32),
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("zero", [None, np.array(3, np.float32)])
def test_codes_become_a_weight(scale: str, zero: np.ndarray | None, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(build(SCALES[scale], zero), path)
    twin = make_twin(path, tmp_path / "twin.onnx")
    (weight,) = twin.weights
    assert (weight.name, weight.form, twin.unknown) == ("weight", "int8", ())
    expected = (CODES.astype(np.float32) - (0 if zero is None else zero)) * SCALES[scale]
    decoded = weight.decode()
    np.testing.assert_array_equal(decoded.values, expected)
    np.testing.assert_array_equal(decoded.step, np.broadcast_to(SCALES[scale], SHAPE))
    assert {node.op_type for node in onnx.load(twin.path).graph.node} == {"MatMul"}
    np.testing.assert_allclose(run(twin.path, FEED)["y"], FEED["x"] @ expected, atol=1e-5)


@pytest.mark.parametrize(
    "model", [build(np.full(SHAPE, 0.02, np.float32), None), build(ONE, None, twice=True)]
)
def test_codes_that_are_read_in_another_way_are_named(
    model: onnx.ModelProto, tmp_path: Path
) -> None:
    onnx.save(model, tmp_path / "model.onnx")
    (unknown,) = make_twin(tmp_path / "model.onnx", tmp_path / "twin.onnx").unknown
    assert unknown.startswith("ai.onnx::Cast")


def test_such_a_file_is_called_quantised() -> None:
    text = explain_quantised_operators(build(ONE, None))
    assert text is not None
    assert "Cast of integer weights" in text
