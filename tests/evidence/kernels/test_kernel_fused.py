"""Fused operators of com.microsoft in half precision agree with their definitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from harness.evidence.kernels.examine import examine_kernels
from tests.evidence.kernels.tiny_files import Array, Feed, build, floats, save
from tests.evidence.kernels.wrong_runtimes import add_ulps_to_largest, change_value

BATCH, LENGTH, SIZE, HEADS, KEPT = 2, 5, 16, 4, 2
HIDDEN = HEADS * SIZE


def half(*shape: int, seed: int = 0) -> Array:
    return floats(*shape, seed=seed).astype(np.float16)


ANGLES = np.arange(40)[:, None] / 10 ** (np.arange(SIZE // 2) / 4)
STORED = {
    "gain": half(HIDDEN, seed=4),
    "bias": half(HIDDEN, seed=5),
    "shift": half(HIDDEN, seed=6),
    "cos": np.cos(ANGLES).astype(np.float16),
    "sin": np.sin(ANGLES).astype(np.float16),
}
X: Feed = {"x": half(BATCH, LENGTH, HIDDEN, seed=1)}
SKIP: Feed = X | {"s": half(BATCH, LENGTH, HIDDEN, seed=2)}
ROTARY: Feed = X | {"p": np.array([[0, 1, 2, 3, 4], [5, 6, 9, 11, 30]])}
MASK = np.ones((BATCH, LENGTH), np.int32)
MASK[1, :3] = 0


def grouped(*, past: int, length: int, packed: bool = False) -> Feed:
    q, k, v = (
        half(BATCH, length, count * SIZE, seed=seed)
        for count, seed in ((HEADS, 1), (KEPT, 2), (KEPT, 3))
    )
    return {
        **({"q": np.concatenate([q, k, v], axis=-1)} if packed else {"q": q, "k": k, "v": v}),
        "pk": half(BATCH, KEPT, past, SIZE, seed=7),
        "pv": half(BATCH, KEPT, past, SIZE, seed=8),
        "len": np.full(BATCH, past + length - 1, np.int32),
        "total": np.array(past + length, np.int32),
    }


def headed(**more: Array) -> Feed:
    return {
        n: half(BATCH, LENGTH, HIDDEN, seed=s) for n, s in (("q", 1), ("k", 2), ("v", 3))
    } | more


GROUPED = "q k v pk pv len total cos sin"
PACKED = "q - - pk pv len total cos sin"
COUNTS = {"num_heads": HEADS, "kv_num_heads": KEPT}
ROTATED = COUNTS | {"do_rotary": 1}
CASES: list[tuple[str, str, Feed, dict[str, Any], int]] = [
    ("SimplifiedLayerNormalization", "x gain", X, {"epsilon": 1e-6}, 1),
    ("SkipSimplifiedLayerNormalization", "x s gain bias", SKIP, {}, 4),
    ("SkipLayerNormalization", "x s gain bias shift", SKIP, {}, 4),
    ("Gelu", "x", X, {}, 1),
    ("FastGelu", "x bias", X, {}, 1),
    ("BiasGelu", "x bias", X, {}, 1),
    ("QuickGelu", "x", X, {"alpha": 1.5}, 1),
    ("FusedMatMul", "x s", SKIP, {"transB": 1, "alpha": 0.125}, 1),
    ("RotaryEmbedding", "x p cos sin", ROTARY, {}, 1),
    ("RotaryEmbedding", "x p cos sin", ROTARY, {"interleaved": 1}, 1),
    ("GroupQueryAttention", GROUPED, grouped(past=0, length=5), ROTATED, 3),
    ("GroupQueryAttention", GROUPED, grouped(past=6, length=1), ROTATED, 3),
    ("GroupQueryAttention", PACKED, grouped(past=6, length=1, packed=True), ROTATED, 3),
    (
        "GroupQueryAttention",
        GROUPED,
        grouped(past=0, length=5),
        ROTATED | {"rotary_interleaved": 1, "local_window_size": 2, "softcap": 3.0},
        3,
    ),
    (
        "GroupQueryAttention",
        "q k v pk pv len total",
        grouped(past=6, length=1),
        COUNTS | {"local_window_size": 3, "scale": 0.5},
        3,
    ),
    ("MultiHeadAttention", "q k v", headed(), {"num_heads": HEADS, "unidirectional": 1}, 1),
    ("MultiHeadAttention", "q k v - m", headed(m=MASK), {"num_heads": HEADS}, 1),
    (
        "MultiHeadAttention",
        "q k v - - b pk pv",
        headed(
            b=half(BATCH, HEADS, LENGTH, LENGTH + 3, seed=9),
            pk=half(BATCH, HEADS, 3, SIZE, seed=7),
            pv=half(BATCH, HEADS, 3, SIZE, seed=8),
        ),
        {"num_heads": HEADS},
        3,
    ),
]


def model_of(
    operator: str, inputs: str, feed: Feed, options: dict[str, Any], outputs: int
) -> onnx.ModelProto:
    """Return a model of one node; `-` is an omitted input. Of four outputs, two are omitted."""
    names = ["y", "", "", "t"] if outputs == 4 else ["y", "u", "v2"][:outputs]
    domain = "" if operator == "SimplifiedLayerNormalization" else "com.microsoft"
    read = [name.replace("-", "") for name in inputs.split()]
    node = helper.make_node(operator, read, names, domain=domain, name="fused", **options)
    kinds = {
        name: (helper.np_dtype_to_tensor_dtype(v.dtype), ["batch", *v.shape[1:]] if v.ndim else [])
        for name, v in feed.items()
    }
    return build([node], STORED, inputs=kinds, outputs=[name for name in names if name])


@pytest.mark.parametrize("case", CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)])
def test_fused_operators_agree_with_their_definitions(
    tmp_path: Path,
    case: tuple[str, str, Feed, dict[str, Any], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = save(model_of(*case), tmp_path)
    correct = examine_kernels(path, case[2])
    assert correct.findings == ()
    assert [(one.operator, one.nodes, one.checked) for one in correct.operators] == [
        (case[0], 1, 1)
    ]
    change_value(monkeypatch, "y", add_ulps_to_largest(8))
    assert [finding.node for finding in examine_kernels(path, case[2]).findings][:1] == ["fused"]


def test_rows_of_different_lengths_are_unchecked(tmp_path: Path) -> None:
    feed = grouped(past=0, length=5)
    feed["len"] = np.array([4, 2], np.int32)
    path = save(model_of("GroupQueryAttention", GROUPED, feed, ROTATED, 3), tmp_path)
    results = examine_kernels(path, feed)
    assert [one.reason for one in results.unchecked] == [
        "its rows have different lengths, or its cache has empty places"
    ]


def test_float32_of_the_same_operators_is_not_examined(tmp_path: Path) -> None:
    node = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    model = build([node], {}, inputs={"x": (TensorProto.FLOAT, ["batch", 3])}, outputs=["y"])
    assert examine_kernels(save(model, tmp_path), {"x": floats(2, 3)}).operators == ()
