"""Twins of float16 and bfloat16 files."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16

from harness.evidence.onnx_file import graph_inputs, graph_outputs
from harness.evidence.twin import make_twin
from tests.evidence.twin.small_models import (
    TOLERANCE,
    check_twin,
    language_model,
    largest_difference,
    run,
    save,
    steps_away,
    weights,
)

HALF = TensorProto.FLOAT16


@pytest.mark.parametrize("keeps_types", [True, False])
@pytest.mark.parametrize("kept", [[], ["Softmax", "Add"]])
def test_a_converted_file_is_widened(tmp_path: Path, keeps_types: bool, kept: list[str]) -> None:
    original = onnx.load(language_model(tmp_path / "original.onnx"))
    model = convert_float_to_float16(
        original, keep_io_types=keeps_types, op_block_list=kept, force_fp16_initializers=True
    )
    path = tmp_path / "half.onnx"
    onnx.save(model, path)
    twin = make_twin(path, tmp_path / "twin.onnx")
    found = check_twin(twin, path, loss=1e-4)
    assert {weight.form for weight in found.values()} == {"float16"}
    written = onnx.load(twin.path)
    assert {value.dtype for value in graph_outputs(written).values()} == {"float32"}
    assert list(graph_outputs(written)) == list(graph_outputs(model))
    assert twin.rewritten.get("ai.onnx::Cast", 0) >= len(kept)


def test_the_borders_of_a_bfloat16_file_become_float32(tmp_path: Path) -> None:
    content = {"w": weights()["down.weight"].astype(ml_dtypes.bfloat16)}
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "matmul")
    x = helper.make_tensor_value_info("x", TensorProto.BFLOAT16, ["batch", content["w"].shape[0]])
    y = helper.make_tensor_value_info("y", TensorProto.BFLOAT16, ["batch", content["w"].shape[1]])
    path = save(tmp_path / "half.onnx", [node], [x], [y], content)
    twin = make_twin(path, tmp_path / "twin.onnx")
    (weight,) = twin.weights
    assert weight.form == "bfloat16"
    assert steps_away(weight, weights()["down.weight"]) <= 0.501
    feed = {"x": np.random.default_rng(0).normal(size=(2, 20)).astype(np.float32)}
    assert [one.dtype for one in graph_inputs(onnx.load(twin.path)).values()] == ["float32"]
    assert largest_difference(run(twin.path, feed)["y"], feed["x"] @ weight.values) <= TOLERANCE


def test_types_in_nodes_and_subgraphs_are_widened(tmp_path: Path) -> None:
    """The branch that runs adds the mask that float16 files have."""
    mask = helper.make_tensor("mask", HALF, [3], np.array([0, -65504, -np.inf], np.float16))
    branches = {}
    for name, value in (("then_branch", "masked"), ("else_branch", "cast")):
        result = helper.make_tensor_value_info(value, HALF, None)
        nodes = [
            helper.make_node("Constant", [], ["mask"], value=mask),
            helper.make_node("Cast", ["start"], ["cast"], f"{name}_cast", to=HALF),
            helper.make_node("Add", ["cast", "mask"], ["masked"], f"{name}_add"),
        ]
        branches[name] = helper.make_graph(nodes, name, [], [result])
    zeros = helper.make_tensor("value", HALF, [1], [0.5])
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["filled"], "fill", value=zeros),
        helper.make_node(
            "RandomNormalLike", ["filled"], ["noise"], "noise", dtype=HALF, scale=1e-12
        ),
        helper.make_node("Cast", ["ids"], ["numbers"], "numbers", to=HALF),
        helper.make_node("Add", ["noise", "numbers"], ["sum"], "sum"),
        helper.make_node("Add", ["sum", "filled"], ["start"], "start"),
        helper.make_node("If", ["flag"], ["y"], "branch", **branches),
    ]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [3])
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    y = helper.make_tensor_value_info("y", HALF, [3])
    path = save(tmp_path / "half.onnx", nodes, [ids, flag], [y], {"shape": np.array([3])})
    twin = make_twin(path, tmp_path / "twin.onnx")
    onnx.checker.check_model(onnx.load(twin.path), full_check=True)
    got = run(twin.path, {"ids": np.array([4097, 2, 3]), "flag": np.array(True)})["y"]
    assert got.dtype == np.float32
    assert got.tolist() == [4097.5, 2.5 - 65504, -np.inf]
    assert dict(twin.rewritten) == {
        f"ai.onnx::{name}": count
        for name, count in {
            "Cast": 3,
            "Constant": 2,
            "ConstantOfShape": 1,
            "RandomNormalLike": 1,
        }.items()
    }


def test_a_quantised_float16_file_is_widened_and_rewritten(tmp_path: Path) -> None:
    content = {
        "up": weights()["down.weight"].astype(np.float16),
        "codes": np.arange(-64, 64, dtype=np.int8).reshape(32, 4),
        "scale": np.array([0.1, 0.2, 0.3, 0.4], np.float16),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["codes", "scale"], ["down"], "read", axis=1),
        helper.make_node("MatMul", ["x", "up"], ["hidden"], "up"),
        helper.make_node("MatMul", ["hidden", "down"], ["y"], "down"),
    ]
    x = helper.make_tensor_value_info("x", HALF, ["batch", 20])
    y = helper.make_tensor_value_info("y", HALF, ["batch", 4])
    path = save(tmp_path / "half.onnx", nodes, [x], [y], content, opset=21)
    twin = make_twin(path, tmp_path / "twin.onnx")
    found = {weight.name: weight for weight in twin.weights}
    assert {name: weight.form for name, weight in found.items()} == {
        "codes": "int8",
        "up": "float16",
    }
    feed = {"x": np.ones((2, 20), np.float32)}
    exact = feed["x"] @ found["up"].values @ found["codes"].values
    assert largest_difference(run(twin.path, feed)["y"], exact) <= TOLERANCE * np.abs(exact).max()


def test_a_step_is_a_unit_in_the_last_place(tmp_path: Path) -> None:
    numbers = np.array([1.0, 1.5, 2.0, -1000.0, 0.0, 6e-8, 60000.0], np.float16)
    node = helper.make_node("Add", ["x", "w"], ["y"], "add")
    infos = [helper.make_tensor_value_info(name, HALF, [7]) for name in "xy"]
    path = save(tmp_path / "half.onnx", [node], infos[:1], infos[1:], {"w": numbers})
    (weight,) = make_twin(path, tmp_path / "twin.onnx").weights
    assert np.array_equal(weight.step, np.abs(np.spacing(numbers)).astype(np.float32))
    assert (weight.low.min(), weight.high.max()) == (-65504, 65504)
    assert (
        numpy_helper.to_array(onnx.load(tmp_path / "twin.onnx").graph.initializer[0]).dtype == "f4"
    )
