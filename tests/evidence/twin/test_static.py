"""Twins of statically quantised files, between QuantizeLinear pairs and between codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from harness.evidence.twin import make_twin
from tests.evidence.twin.small_models import (
    IDS,
    ROWS,
    TOLERANCE,
    check_twin,
    language_model,
    largest_difference,
    run,
    save,
    steps_away,
    with_weights,
)

Feed = Mapping[str, np.ndarray]


class Feeds(CalibrationDataReader):
    """Feeds that a quantiser calibrates with."""

    def __init__(self, *feeds: Feed) -> None:
        self._feeds: Iterator[Feed] = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def language_feeds() -> Feeds:
    rng = np.random.default_rng(0)
    return Feeds({"ids": IDS}, *({"ids": rng.integers(0, ROWS, (2, 4))} for _ in range(4)))


@pytest.mark.parametrize(
    ("form", "activation", "weight"),
    [
        (QuantFormat.QDQ, QuantType.QUInt8, QuantType.QInt8),
        (QuantFormat.QDQ, QuantType.QUInt16, QuantType.QInt4),
        (QuantFormat.QOperator, QuantType.QUInt8, QuantType.QUInt8),
        (QuantFormat.QOperator, QuantType.QInt8, QuantType.QInt8),
    ],
)
@pytest.mark.parametrize("per_channel", [False, True])
def test_a_twin_computes_with_the_dequantised_weights(
    tmp_path: Path,
    form: QuantFormat,
    activation: QuantType,
    weight: QuantType,
    per_channel: bool,
) -> None:
    original = language_model(tmp_path / "original.onnx", opset=21)
    path = tmp_path / "quantised.onnx"
    quantize_static(
        original,
        path,
        language_feeds(),
        quant_format=form,
        activation_type=activation,
        weight_type=weight,
        per_channel=per_channel,
    )
    twin = make_twin(path, tmp_path / "twin.onnx")
    found = check_twin(twin, path)
    assert found["down.weight"].form == str(weight).removeprefix("Q").lower()
    assert found["down.weight"].axis == (1 if per_channel else None)
    text = "biased_quantized: its smallest code is 0, so the twin has a Relu there"
    assert twin.notes == ((text,) if form == QuantFormat.QOperator else ())


def operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node}


def test_an_activation_that_is_read_with_another_scale_is_rescaled(tmp_path: Path) -> None:
    original = language_model(tmp_path / "original.onnx", opset=21)
    path = tmp_path / "quantised.onnx"
    quantize_static(original, path, language_feeds(), quant_format=QuantFormat.QDQ)
    right = run(make_twin(path, tmp_path / "right.onnx").path)["down"]
    model = onnx.load(path)
    (reader,) = (one for one in model.graph.node if one.name == "down_DequantizeLinear")
    (scale,) = (one for one in model.graph.initializer if one.name == reader.input[1])
    reader.input[1] = "wrong_scale"
    wrong = 2 * numpy_helper.to_array(scale)
    model.graph.initializer.append(numpy_helper.from_array(wrong, "wrong_scale"))
    onnx.save(model, path)

    twin = make_twin(path, tmp_path / "twin.onnx")
    assert largest_difference(run(twin.path)["down"], 2 * right) <= TOLERANCE
    (note,) = twin.notes
    assert note.startswith("down_QuantizeLinear_Output: written with scale")


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
@pytest.mark.parametrize("per_channel", [False, True])
def test_an_image_model_keeps_what_its_quantiser_removes(
    tmp_path: Path, form: QuantFormat, per_channel: bool
) -> None:
    original, path = image_model(tmp_path / "original.onnx"), tmp_path / "quantised.onnx"
    rng = np.random.default_rng(3)
    feeds = [{"image": rng.normal(size=(2, 3, 6, 8)).astype(np.float32)} for _ in range(6)]
    quantize_static(original, path, Feeds(*feeds), quant_format=form, per_channel=per_channel)
    assert "Clip" not in operators(path)

    twin = make_twin(path, tmp_path / "twin.onnx")
    text = "map_quantized: its smallest code is 0, so the twin has a Relu there"
    assert twin.unknown == ()
    assert twin.notes == ((text,) if form == QuantFormat.QOperator else ())
    forms = {weight.name: weight.form for weight in twin.weights}
    assert (forms["kernel"], forms["kernel.bias"], forms["head.bias"]) == ("int8", "int32", "int32")
    for weight in twin.weights:
        (given,) = (one for one in onnx.load(original).graph.initializer if one.name == weight.name)
        assert steps_away(weight, numpy_helper.to_array(given)) <= 0.501
    exact = run(with_weights(original, twin.weights), feeds[0])["classes"]
    assert largest_difference(run(twin.path, feeds[0])["classes"], exact) <= TOLERANCE
    assert largest_difference(run(path, feeds[0])["classes"], exact) > 100 * TOLERANCE


def image_model(path: Path) -> Path:
    """Write a model with the operators that quantisers let compute with codes."""
    rng = np.random.default_rng(4)
    content = {
        "kernel": rng.normal(size=(6, 3, 3, 3)).astype(np.float32),
        "kernel.bias": rng.normal(size=6).astype(np.float32),
        "head": rng.normal(size=(5, 12)).astype(np.float32),
        "head.bias": rng.normal(size=5).astype(np.float32),
        "shape": np.array([0, -1], np.int64),
        "low": np.array(0, np.float32),
        "high": np.array(6, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "kernel.bias"], ["map"], "conv", pads=[1] * 4),
        helper.make_node("Clip", ["map", "low", "high"], ["positive"], "relu6"),
        helper.make_node("MaxPool", ["positive"], ["pooled"], "pool", kernel_shape=[2, 2]),
        helper.make_node("Sigmoid", ["pooled"], ["gate"], "sigmoid"),
        helper.make_node("Mul", ["pooled", "gate"], ["gated"], "mul"),
        helper.make_node("LeakyRelu", ["gated"], ["leaky"], "leaky", alpha=0.1),
        helper.make_node("Concat", ["leaky", "pooled"], ["both"], "concat", axis=1),
        helper.make_node("GlobalAveragePool", ["both"], ["mean"], "mean"),
        helper.make_node("Reshape", ["mean", "shape"], ["row"], "reshape"),
        helper.make_node("Gemm", ["row", "head", "head.bias"], ["classes"], "gemm", transB=1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 6, 8])
    classes = helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["batch", 5])
    return save(path, nodes, [image], [classes], content)


@pytest.mark.parametrize(
    ("name", "least"), [("layer/Add_output_0", -3), ("layer/Relu_output_0", 0)]
)
def test_a_value_that_its_node_names_had_no_relu(tmp_path: Path, name: str, least: float) -> None:
    """The smallest code is 0 in both, since negative numbers are rare or were removed."""
    content = {"one": np.array(1, np.float32), "scale": np.array(1, np.float32)}
    nodes = [
        helper.make_node("Add", ["x", "one"], [name], "add"),
        helper.make_node("QuantizeLinear", [name, "scale"], ["codes"], "write"),
        helper.make_node("DequantizeLinear", ["codes", "scale"], ["y"], "read"),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    path = save(tmp_path / "quantised.onnx", nodes, [x], [y], content)
    twin = make_twin(path, tmp_path / "twin.onnx")
    got = run(twin.path, {"x": np.array([-4, 2.5], np.float32)})["y"]
    assert (got.tolist(), twin.unknown) == ([least, 3.5], ())


def test_a_constant_that_the_file_quantises_itself_is_a_stored_weight(tmp_path: Path) -> None:
    original = language_model(tmp_path / "original.onnx", opset=21)
    path = tmp_path / "quantised.onnx"
    options = {"AddQDQPairToWeight": True}
    quantize_static(original, path, language_feeds(), extra_options=options)
    twin = make_twin(path, tmp_path / "twin.onnx")
    assert check_twin(twin, path)["up.weight"].form == "int8"


def test_codes_that_a_user_feeds_stay(tmp_path: Path) -> None:
    content = {
        "scale": np.array(0.5, np.float32),
        "zero": np.array(7, np.uint8),
        "kernel": np.eye(3, dtype=np.float32),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero"], ["floats"], "read"),
        helper.make_node("MatMul", ["floats", "kernel"], ["result"], "matmul"),
    ]
    codes = helper.make_tensor_value_info("codes", TensorProto.UINT8, ["batch", 3])
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, ["batch", 3])
    path = save(tmp_path / "codes.onnx", nodes, [codes], [result], content)
    twin = make_twin(path, tmp_path / "twin.onnx")
    feed = {"codes": np.array([[3, 7, 200]], np.uint8)}
    assert twin.unknown == ()
    assert np.array_equal(run(twin.path, feed)["result"], run(path, feed)["result"])
