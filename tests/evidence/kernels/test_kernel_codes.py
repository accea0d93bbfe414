"""Operators of com.microsoft with codes, that quantisers or the runtime's optimiser write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from harness.evidence.kernels.examine import examine_kernels
from tests.evidence.kernels.tiny_files import Array, Feed, build, floats, rng, save
from tests.evidence.kernels.wrong_runtimes import add_to_first, change_value

STORED: dict[str, Array] = {
    "s": np.array(0.03, np.float32),
    "z": np.array(120, np.uint8),
    "os": np.array(0.02, np.float32),
    "oz": np.array(3, np.uint8),
    "ps": np.array(1 / 256, np.float32),
    "pz": np.array(0, np.uint8),
    "b": rng(1).integers(-127, 127, (6, 5)).astype(np.int8),
    "bs": np.linspace(0.01, 0.03, 5).astype(np.float32),
    "bz": np.array([1, 0, -4, 3, 0], np.int8),
    "bias": floats(5),
}


def codes(*shape: int, seed: int = 0) -> Array:
    return rng(seed).integers(0, 256, shape).astype(np.uint8)


X: Feed = {"x": codes(1, 3, 6, 6)}
BOTH: Feed = X | {"w": codes(1, 3, 6, 6, seed=1), "c": codes(1, 3, 6, 6, seed=2) > 127}
MATRIX: Feed = {"a": codes(1, 3, 6)}
CASES: list[tuple[str, str, Feed, dict[str, Any]]] = [
    ("QLinearGlobalAveragePool", "x s z os oz", X, {}),
    ("QLinearAveragePool", "x s z os oz", X, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("QLinearLeakyRelu", "x s z os oz", X, {"alpha": 0.3}),
    ("QLinearSoftmax", "x s z ps pz", X, {"axis": 1, "opset": 12}),
    ("QLinearSoftmax", "x s z ps pz", X, {"axis": 1, "opset": 13}),
    ("QLinearConcat", "os oz x s z w ps pz", BOTH, {"axis": 1}),
    ("QLinearWhere", "c x s z w os oz s oz", BOTH, {}),
    ("MatMulIntegerToFloat", "a b os bs oz bz bias", MATRIX, {}),
    ("DynamicQuantizeMatMul", "f b bs bz bias", {"f": floats(1, 3, 6)}, {}),
]


@pytest.mark.parametrize("case", CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)])
def test_operators_agree_with_their_definitions(
    tmp_path: Path, case: tuple[str, str, Feed, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, names, feed, options = case
    node = helper.make_node(
        operator, names.split(), ["y"], domain="com.microsoft", name="node", **options
    )
    inputs = {
        name: (helper.np_dtype_to_tensor_dtype(value.dtype), ["batch", *value.shape[1:]])
        for name, value in feed.items()
        if name in names.split()
    }
    path = save(build([node], STORED, inputs=inputs, outputs=["y"]), tmp_path)
    correct = examine_kernels(path, feed)
    assert correct.findings == ()
    assert [(one.operator, one.checked) for one in correct.operators] == [(operator, 1)]
    change_value(monkeypatch, "y", add_to_first(2))
    assert [finding.node for finding in examine_kernels(path, feed).findings] == ["node"]


def test_an_inner_scale_of_all_rows_explains_differences(tmp_path: Path) -> None:
    node = helper.make_node(
        "DynamicQuantizeMatMul", ["f", "b", "bs"], ["y"], domain="com.microsoft"
    )
    sizes = np.array([1, 10], np.float32).reshape(2, 1, 1)
    feed = {"f": floats(2, 3, 6) * sizes}
    inputs = {"f": (helper.np_dtype_to_tensor_dtype(feed["f"].dtype), ["batch", 3, 6])}
    path = save(build([node], STORED, inputs=inputs, outputs=["y"]), tmp_path)
    results = examine_kernels(path, feed)
    assert results.findings == ()
    assert (results.rows.compared, results.rows.explained) == (0, 2)


@pytest.mark.parametrize("has_zero_points", [False, True])
@pytest.mark.parametrize(
    ("kind", "gathered", "blocks"),
    [
        ("INT4", 0, 1),
        ("INT4", 1, 0),
        ("UINT4", 0, 0),
        ("UINT4", 1, 1),
        ("INT4", 2, 1),
        ("UINT8", 0, 2),
    ],
)
def test_gathered_blocks_lie_along_any_axis(
    tmp_path: Path, kind: str, gathered: int, blocks: int, *, has_zero_points: bool
) -> None:
    """Bytes hold two codes each along the last axis; 4-bit types hold one code in each place."""
    per_byte = 2 if kind == "UINT8" else 1
    form = [4, 32, 32 // per_byte]
    scales = [*form[:2], 32]
    scales[blocks] = -(-[4, 32, 32][blocks] // 16)
    names = ["data", "ids", "scales", *(["zero"] if has_zero_points else [])]
    options = {"gather_axis": gathered, "quantize_axis": blocks, "block_size": 16}
    node = helper.make_node(
        "GatherBlockQuantized", names, ["y"], domain="com.microsoft", bits=4, **options
    )
    stored = {"scales": np.abs(floats(*scales)) + np.float32(0.01)}
    model = build([node], stored, inputs={"ids": (TensorProto.INT64, ["n", 2])}, outputs=["y"])
    packed = [*scales[:2], -(-scales[2] // per_byte)]
    for name, shape in (("data", form), ("zero", packed)):
        low, high = {"INT4": (-8, 8), "UINT4": (0, 16), "UINT8": (0, 256)}[kind]
        values = rng(4).integers(low, high, shape)
        number = TensorProto.DataType.Value(kind)
        model.graph.initializer.append(
            helper.make_tensor(name, number, shape, values.reshape(-1).tolist())
        )
    results = examine_kernels(save(model, tmp_path), {"ids": np.array([[0, 3], [2, 2], [1, 0]])})
    assert results.findings == ()
    assert [one.checked for one in results.operators] == [1]
