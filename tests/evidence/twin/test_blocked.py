"""Twins of files whose weights are quantised in blocks, as language models are shipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantFormat
from onnxruntime.quantization.matmul_bnb4_quantizer import MatMulBnb4Quantizer
from onnxruntime.quantization.matmul_nbits_quantizer import (
    DefaultWeightOnlyQuantConfig,
    MatMulNBitsQuantizer,
)

from harness.evidence.twin import forms, make_twin
from tests.evidence.twin.small_models import (
    OUTER,
    TOLERANCE,
    changed,
    check_twin,
    language_model,
    largest_difference,
    run,
    save,
    steps_away,
    weights,
)

BLOCK = 16


def quantise(
    folder: Path,
    *,
    bits: int = 4,
    symmetric: bool = False,
    form: QuantFormat = QuantFormat.QOperator,
    operators: tuple[str, ...] = ("MatMul",),
) -> Path:
    """Write `language_model` with weights of 4 or 8 bits, in blocks along the summed axis."""
    config = DefaultWeightOnlyQuantConfig(
        block_size=BLOCK,
        is_symmetric=symmetric,
        quant_format=form,
        op_types_to_quantize=operators,
        quant_axes=(("MatMul", 0), ("Gather", 1)),
        bits=bits,
    )
    original = language_model(folder / "original.onnx", opset=21)
    quantizer = MatMulNBitsQuantizer(onnx.load(original), algo_config=config)
    quantizer.process()
    quantizer.model.save_model_to_file(str(folder / "quantised.onnx"))
    return folder / "quantised.onnx"


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bits", [4, 8])
def test_matmul_nbits_becomes_matmul(tmp_path: Path, symmetric: bool, bits: int) -> None:
    path = quantise(tmp_path, bits=bits, symmetric=symmetric)
    twin = make_twin(path, tmp_path / "twin.onnx")
    found = check_twin(twin, path, loss=0.005)
    weight = found["down.weight"]
    assert weight.initializer == f"down.weight_Q{bits}"
    assert (weight.form, weight.axis, weight.block_size) == (f"uint{bits}", 0, BLOCK)
    assert dict(twin.rewritten) == {"com.microsoft::MatMulNBits": 2}
    assert largest_difference(run(path)["down"], run(twin.path)["down"]) <= TOLERANCE


@pytest.mark.parametrize("symmetric", [False, True])
def test_blocks_between_dequantize_linear_and_matmul(tmp_path: Path, symmetric: bool) -> None:
    path = quantise(tmp_path, symmetric=symmetric, form=QuantFormat.QDQ)
    found = check_twin(make_twin(path, tmp_path / "twin.onnx"), path)
    assert found["up.weight"].form == ("int4" if symmetric else "uint4")
    assert (found["up.weight"].axis, found["up.weight"].block_size) == (0, BLOCK)


@pytest.mark.parametrize("symmetric", [False, True])
def test_gather_block_quantized_becomes_gather(tmp_path: Path, symmetric: bool) -> None:
    path = quantise(tmp_path, symmetric=symmetric, operators=("MatMul", "Gather"))
    twin = make_twin(path, tmp_path / "twin.onnx")
    weight = check_twin(twin, path)["embed.weight"]
    assert (weight.form, weight.axis, weight.block_size) == (
        "int4" if symmetric else "uint4",
        1,
        16,
    )


@pytest.mark.parametrize(("kind", "form"), [(0, "fp4"), (1, "nf4")])
def test_matmul_bnb4_becomes_matmul(tmp_path: Path, kind: int, form: str) -> None:
    path = quantise_bnb4(tmp_path, kind)
    twin = make_twin(path, tmp_path / "twin.onnx")
    weight = check_twin(twin, path)["down.weight"]
    assert (weight.form, weight.block_size) == (form, BLOCK)
    assert largest_difference(run(path)["down"], run(twin.path)["down"]) <= TOLERANCE


def quantise_bnb4(folder: Path, kind: int) -> Path:
    original = language_model(folder / "original.onnx")
    quantizer = MatMulBnb4Quantizer(onnx.load(original), kind, BLOCK)
    quantizer.process()
    quantizer.model.save_model_to_file(str(folder / "quantised.onnx"))
    return folder / "quantised.onnx"


def test_a_wrong_entry_of_a_table_moves_the_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = quantise_bnb4(tmp_path, 1)
    (before,) = (one for one in make_twin(path, tmp_path / "a").weights if one.name == "up.weight")
    right = before.values
    wrong = forms.TABLES["nf4"].copy()
    wrong[3] += 0.05
    monkeypatch.setitem(forms.TABLES, "nf4", wrong)
    twin = make_twin(path, tmp_path / "b")
    (after,) = (one for one in twin.weights if one.name == "up.weight")
    assert 0 < np.mean(after.values != right) < 0.2
    assert largest_difference(run(path)["down"], run(twin.path)["down"]) > 100 * TOLERANCE


@pytest.mark.parametrize(
    "initializer", ["up.weight_zero_points", "up.weight_scales", "up.weight_Q4"]
)
def test_a_wrong_block_moves_its_values_alone(tmp_path: Path, initializer: str) -> None:
    def change(content: np.ndarray) -> np.ndarray:
        first = content.reshape(-1)
        first[0] = first[0] * 2 if content.dtype == np.float32 else first[0] ^ 12
        return content

    path = changed(quantise(tmp_path), initializer, change)
    found = {one.name: one for one in make_twin(path, tmp_path / "twin.onnx").weights}
    column = found["up.weight"].arranged(lambda array: array[:BLOCK, :1], axis=0)
    others = found["up.weight"].arranged(lambda array: array[:, 1:], axis=0)
    assert steps_away(column, weights()["up.weight"][:BLOCK, :1]) > 0.8
    assert steps_away(others, weights()["up.weight"][:, 1:]) <= 0.501


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize(
    ("bits", "zeros"), [(2, "packed"), (4, "packed"), (8, "packed"), (2, "float"), (4, "float")]
)
def test_options_of_matmul_nbits(tmp_path: Path, bits: int, zeros: str, has_bias: bool) -> None:
    """36 inputs are no whole number of blocks, and an odd number of them."""
    rng = np.random.default_rng(bits)
    inner, blocks = 36, 3
    row = -(-blocks * bits // 8)
    content = {
        "packed": rng.integers(0, 256, (OUTER, blocks, BLOCK * bits // 8), dtype=np.uint8),
        "scales": rng.normal(size=OUTER * blocks).astype(np.float32),
        "zeros": rng.integers(0, 256, OUTER * row, dtype=np.uint8)
        if zeros == "packed"
        else rng.normal(2, 1, OUTER * blocks).astype(np.float32),
        "bias": rng.normal(size=OUTER).astype(np.float32),
    }
    names = ["x", "packed", "scales", "zeros", "", "bias"][: 6 if has_bias else 4]
    node = helper.make_node(
        "MatMulNBits", names, ["y"], "nbits", domain="com.microsoft", K=inner, N=OUTER, bits=bits,
        block_size=BLOCK,
    )  # fmt: skip
    path = save_one(tmp_path / "quantised.onnx", node, content, inner)
    twin = make_twin(path, tmp_path / "twin.onnx")
    feed = {"x": rng.normal(size=(3, inner)).astype(np.float32)}
    assert twin.unknown == ()
    got = run(twin.path, feed)["y"]
    assert largest_difference(got, run(path, feed)["y"]) <= TOLERANCE * np.abs(got).max()


def test_groups_of_inputs_choose_their_blocks(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    inner, blocks = 32, 2
    content = {
        "packed": rng.integers(0, 256, (OUTER, blocks, BLOCK // 2), dtype=np.uint8),
        "scales": rng.normal(size=OUTER * blocks).astype(np.float32),
        "groups": rng.permutation(np.repeat(np.arange(blocks), BLOCK)).astype(np.int32),
    }
    node = helper.make_node(
        "MatMulNBits", ["x", "packed", "scales", "", "groups"], ["y"], "nbits", K=inner, N=OUTER,
        domain="com.microsoft", block_size=BLOCK, bits=4,
    )  # fmt: skip
    path = save_one(tmp_path / "quantised.onnx", node, content, inner)
    twin = make_twin(path, tmp_path / "twin.onnx")
    feed = {"x": rng.normal(size=(3, inner)).astype(np.float32)}
    got = run(twin.path, feed)["y"]
    assert largest_difference(got, run(path, feed)["y"]) <= TOLERANCE * np.abs(got).max()


def save_one(path: Path, node: onnx.NodeProto, content: Mapping[str, Any], inner: int) -> Path:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", inner])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", OUTER])
    used = {name: content[name] for name in node.input if name in content}
    return save(path, [node], [x], [y], used)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("has_zeros", [False, True])
def test_bytes_of_gather_block_quantized(tmp_path: Path, bits: int, has_zeros: bool) -> None:
    rng = np.random.default_rng(bits)
    rows, width, blocks = 7, 48, 3
    content = {
        "data": rng.integers(0, 256, (rows, width * bits // 8), dtype=np.uint8),
        "scales": rng.normal(size=(rows, blocks)).astype(np.float32),
        "zeros": rng.integers(0, 256, (rows, -(-blocks * bits // 8)), dtype=np.uint8),
    }
    node = helper.make_node(
        "GatherBlockQuantized", ["data", "ids", "scales", "zeros"][: 3 + has_zeros], ["y"],
        "gather", domain="com.microsoft", bits=bits, block_size=BLOCK, quantize_axis=1,
    )  # fmt: skip
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["count"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["count", width])
    used = {name: content[name] for name in node.input if name in content}
    path = save(tmp_path / "quantised.onnx", [node], [ids], [y], used)
    twin = make_twin(path, tmp_path / "twin.onnx")
    feed = {"ids": np.arange(rows)}
    assert twin.unknown == ()
    assert largest_difference(run(twin.path, feed)["y"], run(path, feed)["y"]) <= TOLERANCE


def test_a_weight_that_does_not_fit_is_not_rewritten(tmp_path: Path) -> None:
    path = changed(quantise(tmp_path), "up.weight_scales", lambda content: content.reshape(-1)[1:])
    twin = make_twin(path, tmp_path / "twin.onnx")
    assert twin.unknown == ("com.microsoft::MatMulNBits (up_Q4)",)
