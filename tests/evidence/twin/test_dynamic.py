"""Twins of dynamically quantised files, and of wrong ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from harness.evidence.twin import StoredWeight, make_twin
from harness.evidence.twin.weights import float_name
from tests.evidence.twin.small_models import (
    IDS,
    TOLERANCE,
    changed,
    check_twin,
    expected,
    language_model,
    largest_difference,
    run,
    save,
    steps_away,
    weights,
    with_weights,
)


@pytest.fixture
def quantised(tmp_path: Path) -> Path:
    original = language_model(tmp_path / "original.onnx")
    quantize_dynamic(original, tmp_path / "quantised.onnx", per_channel=True)
    return tmp_path / "quantised.onnx"


@pytest.mark.parametrize("kind", [QuantType.QInt8, QuantType.QUInt8])
@pytest.mark.parametrize(("per_channel", "reduce_range"), [(False, True), (True, False)])
def test_a_twin_computes_with_the_dequantised_weights(
    tmp_path: Path, kind: QuantType, per_channel: bool, reduce_range: bool
) -> None:
    original, path = language_model(tmp_path / "original.onnx"), tmp_path / "quantised.onnx"
    quantize_dynamic(
        original, path, weight_type=kind, per_channel=per_channel, reduce_range=reduce_range
    )
    twin = make_twin(path, tmp_path / "twin.onnx")
    found = check_twin(twin, path)
    assert found["up.weight"].form == str(kind).removeprefix("Q").lower()
    assert found["up.weight"].initializer == "up.weight_quantized"
    assert found["up.weight"].axis == (1 if per_channel else None)
    assert found["up.bias"].form == "float32"
    assert dict(twin.rewritten) == {
        "ai.onnx::DynamicQuantizeLinear": 1,
        "ai.onnx::MatMulInteger": 2,
    }


def test_the_quantised_file_is_further_away_than_its_twin(tmp_path: Path, quantised: Path) -> None:
    twin = make_twin(quantised, tmp_path / "twin.onnx")
    stored = {weight.name: weight.values for weight in twin.weights}
    assert largest_difference(run(twin.path)["down"], expected(stored)) <= TOLERANCE
    assert largest_difference(run(quantised)["down"], expected(stored)) > 1000 * TOLERANCE


@pytest.mark.parametrize(
    ("initializer", "index"),
    [("up.weight_zero_point", (3,)), ("up.weight_scale", (3,)), ("up.weight_quantized", (7, 3))],
)
def test_a_wrong_number_moves_the_values(
    tmp_path: Path, quantised: Path, initializer: str, index: tuple[int, ...]
) -> None:
    def change(content: np.ndarray) -> np.ndarray:
        content[index] = 9 - content[index] * 0.5
        return content

    twin = make_twin(changed(quantised, initializer, change), tmp_path / "twin.onnx")
    found = {weight.name: weight for weight in twin.weights}
    distances = [
        steps_away(column_of(found["up.weight"], index), original)
        for index, original in enumerate(weights()["up.weight"].T)
    ]
    assert distances[3] > 0.6
    assert max(distances[:3] + distances[4:]) <= 0.501


def column_of(weight: StoredWeight, index: int) -> StoredWeight:
    return weight.arranged(lambda array: array[:, index], axis=None)


def test_a_scale_of_another_activation_is_not_rewritten(tmp_path: Path, quantised: Path) -> None:
    model = onnx.load(quantised)
    (scales,) = (node for node in model.graph.node if node.name == "down_quant_scales_mul")
    (other,) = (one for one in model.graph.initializer if one.name == "embed.weight_scale")
    scales.input[:] = [other.name if "weight" not in name else name for name in scales.input]
    onnx.save(model, quantised)
    twin = make_twin(quantised, tmp_path / "twin.onnx")
    assert twin.unknown == (
        "ai.onnx::DynamicQuantizeLinear (active_QuantizeLinear)",
        "ai.onnx::MatMulInteger (down_quant)",
    )


def test_a_convolution_gets_its_dequantised_kernel(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    content = {
        "kernel": rng.normal(size=(6, 3, 3, 3)).astype(np.float32),
        "bias": rng.normal(size=6).astype(np.float32),
    }
    node = helper.make_node("Conv", ["image", "kernel", "bias"], ["map"], "conv", pads=[1] * 4)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, "height", 8])
    maps = helper.make_tensor_value_info("map", TensorProto.FLOAT, ["batch", 6, "height", 8])
    original = save(tmp_path / "original.onnx", [node], [image], [maps], content)
    path = tmp_path / "quantised.onnx"
    quantize_dynamic(original, path, weight_type=QuantType.QUInt8)
    feed = {"image": rng.normal(size=(2, 3, 5, 8)).astype(np.float32)}

    twin = make_twin(path, tmp_path / "twin.onnx")
    (kernel,) = (weight for weight in twin.weights if weight.name == "kernel")
    assert not twin.unknown
    assert steps_away(kernel, content["kernel"]) <= 0.501
    exact = with_weights(original, twin.weights)
    got = run(twin.path, feed)["map"]
    assert largest_difference(got, run(exact, feed)["map"]) <= TOLERANCE
    assert largest_difference(got, run(path, feed)["map"]) > 100 * TOLERANCE


def test_products_of_activations_are_rewritten(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["one", "other"], ["product"], "product")
    infos = {
        "one": helper.make_tensor_value_info("one", TensorProto.FLOAT, ["batch", 5, 7]),
        "other": helper.make_tensor_value_info("other", TensorProto.FLOAT, ["batch", 7, 4]),
    }
    result = helper.make_tensor_value_info("product", TensorProto.FLOAT, ["batch", 5, 4])
    original = save(tmp_path / "original.onnx", [node], list(infos.values()), [result], {})
    path = tmp_path / "quantised.onnx"
    quantize_dynamic(original, path, extra_options={"MatMulConstBOnly": False})
    rng = np.random.default_rng(2)
    feed = {
        "one": rng.normal(size=(len(IDS), 5, 7)).astype(np.float32),
        "other": rng.normal(size=(len(IDS), 7, 4)).astype(np.float32),
    }
    twin = make_twin(path, tmp_path / "twin.onnx")
    got = run(twin.path, feed)["product"]
    assert (twin.unknown, twin.weights) == ((), ())
    assert largest_difference(got, feed["one"] @ feed["other"]) <= TOLERANCE
    assert largest_difference(got, run(path, feed)["product"]) > 100 * TOLERANCE


def test_branches_of_a_merged_decoder_are_rewritten(tmp_path: Path) -> None:
    """Each branch reads a weight of the graph around it, and one that both share."""
    rng = np.random.default_rng(6)
    content = {
        name: rng.normal(size=(8, 8)).astype(np.float32) for name in ("first", "later", "shared")
    }
    branches = {}
    for name, weight in (("then_branch", "first"), ("else_branch", "later")):
        nodes = [
            helper.make_node("MatMul", ["x", weight], [f"{weight}_out"], f"{weight}_matmul"),
            helper.make_node("MatMul", [f"{weight}_out", "shared"], [f"{weight}_y"], f"{weight}_2"),
        ]
        result = helper.make_tensor_value_info(f"{weight}_y", TensorProto.FLOAT, ["batch", 8])
        branches[name] = helper.make_graph(nodes, name, [], [result])
    node = helper.make_node("If", ["flag"], ["y"], "branch", **branches)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 8]) for name in "xy")
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    original = save(tmp_path / "original.onnx", [node], [x, flag], [y], content)
    path = tmp_path / "quantised.onnx"
    quantize_dynamic(original, path, extra_options={"EnableSubgraph": True})
    twin = make_twin(path, tmp_path / "twin.onnx")
    assert twin.unknown == ()
    assert twin.rewritten["ai.onnx::MatMulInteger"] == 4
    assert {weight.name for weight in twin.weights} == content.keys()
    exact = with_weights(original, twin.weights)
    for is_first in (True, False):
        feed = {"x": rng.normal(size=(3, 8)).astype(np.float32), "flag": np.array(is_first)}
        expected_y, got = run(exact, feed)["y"], run(twin.path, feed)["y"]
        assert largest_difference(got, expected_y) <= TOLERANCE
        assert largest_difference(run(path, feed)["y"], expected_y) > 100 * TOLERANCE


@pytest.mark.parametrize(
    ("initializer", "name"),
    [
        ("layer.weight_quantized", "layer.weight"),
        ("layer.weight_Transposed_quantized", "layer.weight"),
        ("layer.weight_DQ_Q4", "layer.weight"),
        ("layer.weight_Q4G32", "layer.weight"),
        ("layer.qweight", "layer.weight"),
        ("onnx::MatMul_12", "onnx::MatMul_12"),
    ],
)
def test_names_of_the_float_model(initializer: str, name: str) -> None:
    assert float_name(initializer) == name
