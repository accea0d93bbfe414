"""Fused operators are expanded to standard ones that compute what ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnxruntime.quantization import quantize_dynamic

from harness.evidence.twin import make_twin
from tests.evidence.twin.small_models import TOLERANCE, largest_difference, run, save, with_weights

RNG = np.random.default_rng(7)
HEADS, WIDTH = 2, 4
HIDDEN = HEADS * WIDTH


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def integers(*rows: Any, dtype: Any = np.int32) -> np.ndarray:
    return np.array(rows, dtype)


@dataclass(frozen=True)
class Case:
    """One node: inputs that a user feeds, weights in the file (`w_...`), outputs."""

    operator: str
    inputs: Mapping[str, np.ndarray | None]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("y",)
    domain: str = "com.microsoft"

    def __str__(self) -> str:
        given = [name for name, array in self.inputs.items() if array is not None]
        return "-".join([self.operator, *given, *map(str, self.attributes)])


X, ROW = normal(2, 5, HIDDEN), normal(HIDDEN)
SCALE, SHIFT = normal(HIDDEN) + 2, normal(HIDDEN)
LENGTHS = integers(3, 5)
RAGGED = integers([1, 1, 1, 0, 0], [0, 1, 1, 1, 1])
HIDDEN_ROW = integers([0, 0, 0, 0, 0], [1, 1, 0, 1, 1])
SKIP_OUTPUTS = ("y", "", "", "sum")

SIMPLE = [
    Case("SkipLayerNormalization", {"x": X, "skip": normal(2, 5, HIDDEN), "w_s": SCALE}),
    Case(
        "SkipLayerNormalization",
        {"x": X, "skip": normal(1, 5, HIDDEN), "w_s": SCALE, "w_b": SHIFT, "w_bias": ROW},
        {"epsilon": 0.1},
        SKIP_OUTPUTS,
    ),
    Case(
        "SkipSimplifiedLayerNormalization",
        {"x": X, "skip": normal(2, 5, HIDDEN), "w_s": SCALE, "w_bias": ROW},
        {"epsilon": 0.1},
        SKIP_OUTPUTS,
    ),
    Case("SimplifiedLayerNormalization", {"x": X, "w_s": SCALE}, {"epsilon": 0.1}, domain=""),
    Case("Gelu", {"x": X}),
    Case("BiasGelu", {"x": X, "w_b": ROW}),
    Case("FastGelu", {"x": X, "w_b": ROW}),
    Case("FastGelu", {"x": X}),
    Case("QuickGelu", {"x": X}, {"alpha": 1.3}),
    Case("FusedMatMul", {"x": X, "w": normal(3, HIDDEN)}, {"transB": 1, "alpha": 0.3}),
    Case("FusedMatMul", {"x": X, "z": normal(2, 5, 3)}, {"transA": 1}),
    Case(
        "FusedGemm",
        {"x": normal(4, 6), "w": normal(3, 6), "w_b": normal(3)},
        {"transB": 1, "alpha": 0.5, "activation": "LeakyRelu", "activation_alpha": 0.3},
    ),
    Case(
        "FusedConv",
        {"x": normal(1, 2, 5, 5), "w": normal(3, 2, 3, 3), "w_b": normal(3)},
        {"activation": "Clip", "activation_params": [-0.5, 0.5]},
    ),
    Case(
        "FusedConv",
        {
            "x": normal(1, 2, 5, 5),
            "w": normal(3, 2, 3, 3),
            "w_b": normal(3),
            "z": normal(1, 3, 3, 3),
        },
        {"activation": "Relu"},
    ),
    *(
        Case(
            "EmbedLayerNormalization",
            {
                "ids": integers([1, 2, 0], [4, 4, 3]),
                "segments": integers([0, 0, 1], [1, 1, 0]) if has_segments else None,
                "w_words": normal(5, HIDDEN),
                "w_positions": normal(6, HIDDEN),
                "w_segments": normal(2, HIDDEN) if has_segments else None,
                "w_s": SCALE,
                "w_b": SHIFT,
                "mask": None,
                "positions": positions,
            },
            {"epsilon": 0.1},
            ("y", "", "sum"),
        )
        for has_segments, positions in ((True, None), (False, integers([3, 5, 0], [1, 1, 1])))
    ),
]

COS, SIN = np.cos(normal(9, 2) * 3), np.sin(normal(9, 2) * 3)
PLACES = integers([3, 1, 4, 1, 5], [0, 2, 6, 5, 3], dtype=np.int64)
ROTARY = [
    Case("RotaryEmbedding", {"x": x, "p": places, "w_c": COS, "w_s": SIN}, attributes)
    for x, attributes in (
        (X, {}),
        (X, {"interleaved": 1}),
        (normal(2, 3, 5, WIDTH), {}),
        (normal(2, 5, 3 * 6), {"num_heads": 3, "rotary_embedding_dim": 4}),
    )
    for places in (PLACES, integers(2, dtype=np.int64))
]

FULL = {"x": X, "w": normal(HIDDEN, 3 * HIDDEN), "w_b": normal(3 * HIDDEN)}
PAST = normal(2, 2, HEADS, 3, WIDTH)
WITH_PAST = integers([1, 1, 1, 0, 1, 1, 1, 0], [0, 1, 1, 1, 1, 1, 0, 1])
SQUARE_MASK = integers(*RNG.integers(0, 2, (2, 5, 5)))
ATTENTION = [
    Case(
        "Attention",
        {**FULL, "mask": mask, "past": past, "bias": bias},
        {"num_heads": HEADS, **more},
        ("y",) if past is None else ("y", "present"),
    )
    for mask, past, bias, more in (
        (None, None, None, {}),
        (RAGGED, None, None, {}),
        (HIDDEN_ROW, None, None, {"unidirectional": 1}),
        (LENGTHS, None, None, {"scale": 0.7}),
        (integers(3, 5, 1, 2), None, None, {}),
        (SQUARE_MASK, None, None, {"mask_filter_value": -50.0}),
        (WITH_PAST, PAST, None, {"unidirectional": 1}),
        (None, None, normal(1, HEADS, 5, 5), {}),
    )
]
ATTENTION += [
    Case(
        "Attention",
        {"x": X, "w": normal(HIDDEN, 8 + 8 + 12), "w_b": normal(28)},
        {"num_heads": HEADS, "qkv_hidden_sizes": [8, 8, 12]},
    )
]

Q, K, V = normal(2, 3, HIDDEN), normal(2, 5, HIDDEN), normal(2, 5, 12)
KEYS, VALUES = normal(2, HEADS, 5, WIDTH), normal(2, HEADS, 5, WIDTH)
PAST_K, PAST_V = normal(2, HEADS, 4, WIDTH), normal(2, HEADS, 4, WIDTH)
MULTI_HEAD = [
    Case(
        "MultiHeadAttention",
        dict(zip(("q", "k", "v", "w_b", "mask", "bias", "past_k", "past_v"), arrays, strict=False)),
        {"num_heads": HEADS, **more},
        outputs,
    )
    for arrays, more, outputs in (
        ((Q, K, V), {}, ("y",)),
        ((Q, K, V, normal(2 * HIDDEN + 12)), {"scale": 0.4}, ("y",)),
        ((Q, K, V, None, RAGGED), {}, ("y",)),
        ((Q, K, V, None, LENGTHS), {}, ("y",)),
        ((Q, K, V, None, integers(*RNG.integers(0, 2, (2, 3, 5)))), {}, ("y",)),
        ((Q, KEYS, VALUES), {}, ("y",)),
        ((X, K, K, None, None, normal(1, 1, 5, 9), PAST_K, PAST_V), {}, ("y", "k2", "v2")),
        ((X, K, K, None, None, None, PAST_K, PAST_V), {"unidirectional": 1}, ("y", "k2", "v2")),
    )
]


@pytest.mark.parametrize("case", [*SIMPLE, *ROTARY, *ATTENTION, *MULTI_HEAD], ids=str)
def test_a_twin_computes_what_the_runtime_computes(tmp_path: Path, case: Case) -> None:
    check(tmp_path, case)


KV_HEADS, GROUPED = 2, {"num_heads": 4, "kv_num_heads": 2}
SIZE = 32
TABLES = {"w_c": np.cos(normal(16, 8) * 3), "w_s": np.sin(normal(16, 8) * 3)}
WHOLE = {"w_c": np.cos(normal(16, 16) * 3), "w_s": np.sin(normal(16, 16) * 3)}
"""Tables of a part of each head, and of the whole."""


def grouped(
    new: int,
    total: int,
    counts: tuple[int, ...],
    *,
    buffer: int = 0,
    packed: bool = False,
    more: Mapping[str, np.ndarray | None] | None = None,
    **attributes: Any,
) -> tuple[Case, np.ndarray]:
    """Return a node with `new` tokens of `total`, and which of its positions are no padding."""
    rows = len(counts)
    query, key, value = (normal(rows, new, count * SIZE) for count in (4, 2, 2))
    inputs: dict[str, np.ndarray | None] = {
        "q": np.concatenate([query, key, value], axis=2) if packed else query,
        "k": None if packed else key,
        "v": None if packed else value,
        "past_k": normal(rows, KV_HEADS, buffer, SIZE) if buffer else None,
        "past_v": normal(rows, KV_HEADS, buffer, SIZE) if buffer else None,
        "counts": integers(*counts) - 1,
        "total": np.array(total, np.int32),
        "w_c": None,
        "w_s": None,
        "p": None,
        **(more or {}),
    }
    past = np.maximum(np.array(counts) - new, 0)[:, None] if total > new else np.zeros((rows, 1))
    defined = past + np.arange(new) < np.array(counts)[:, None]
    return Case(
        "GroupQueryAttention", inputs, {**GROUPED, **attributes}, ("y", "k2", "v2")
    ), defined


@pytest.mark.parametrize(
    ("case", "defined"),
    [
        grouped(5, 5, (5, 3)),
        grouped(5, 5, (5, 5), packed=True, scale=0.3),
        grouped(1, 5, (5, 3), buffer=4),
        grouped(3, 7, (7,), buffer=4),
        grouped(1, 5, (5, 4), buffer=9),
        grouped(5, 5, (5, 3), do_rotary=1, more=TABLES),
        grouped(1, 5, (5, 3), buffer=4, do_rotary=1, rotary_interleaved=1, more=TABLES),
        grouped(3, 7, (7,), buffer=4, packed=True, do_rotary=1, more=TABLES),
        grouped(7, 7, (7, 4), local_window_size=3),
        grouped(1, 7, (7, 5), buffer=6, local_window_size=2),
        grouped(5, 5, (5, 5), softcap=2.0),
        grouped(5, 5, (5, 5), smooth_softmax=1),
        grouped(5, 5, (5, 5), more={"bias": normal(2, 4, 5, 5)}),
        grouped(5, 5, (5, 5), softcap=2.0, more={"bias": normal(1, 4, 5, 5)}),
        grouped(5, 5, (5, 5), more={"bias": None, "w_sink": normal(4)}),
        grouped(5, 5, (5, 5), do_rotary=1, more={**WHOLE, "p": PLACES}),
        grouped(1, 5, (5, 3), buffer=4, do_rotary=1, more={**WHOLE, "p": PLACES[:, :1]}),
    ],
    ids=str,
)
def test_grouped_queries(tmp_path: Path, case: Case, defined: np.ndarray) -> None:
    """Padding has no defined values: the runtime reads memory there that nothing has written."""
    check(tmp_path, case, defined=defined)


def check(folder: Path, case: Case, *, defined: np.ndarray | None = None) -> None:
    """Compare each output with the runtime's, at the defined positions if they are given."""
    path = write(folder / "fused.onnx", case)
    twin = make_twin(path, folder / "twin.onnx")
    assert twin.unknown == ()
    domain = case.domain or "ai.onnx"
    assert dict(twin.rewritten) == {f"{domain}::{case.operator}": 1}
    feed = {k: a for k, a in case.inputs.items() if a is not None and not k.startswith("w")}
    got, expected = run(twin.path, feed), run(path, feed)
    for name, array in expected.items():
        where = ... if defined is None or name != "y" else defined
        assert got[name].shape == array.shape
        size = np.abs(array[where]).max()
        assert largest_difference(got[name][where], array[where]) <= TOLERANCE * max(1, size), name


def write(path: Path, case: Case) -> Path:
    """Write a model of one node. Its inputs have symbolic sizes."""
    names = [name if array is not None else "" for name, array in case.inputs.items()]
    while not names[-1]:
        names.pop()
    node = helper.make_node(
        case.operator, names, case.outputs, "fused", domain=case.domain, **case.attributes
    )
    given = {name: array for name, array in case.inputs.items() if array is not None}
    weights = {name: array for name, array in given.items() if name.startswith("w")}
    infos = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(array.dtype),
            [f"{name}_{axis}" for axis in range(array.ndim)],
        )
        for name, array in given.items()
        if name not in weights
    ]
    results = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        for name in case.outputs
        if name
    ]
    return save(path, [node], infos, results, weights)


@pytest.mark.parametrize("has_mask", [True, False])
def test_quantised_fused_operators_are_expanded(tmp_path: Path, has_mask: bool) -> None:
    """An embedding and an attention, as tools fuse and then quantise BERT."""
    feed = {"ids": integers([1, 2, 0, 4], [4, 4, 3, 1]), "segments": integers([0, 0, 1, 1])}
    feed |= {"mask": integers([1, 1, 1, 1], [1, 1, 0, 0])} if has_mask else {}
    content = {
        "words": normal(5, HIDDEN),
        "positions": normal(6, HIDDEN),
        "types": normal(2, HIDDEN),
        "scale": SCALE,
        "shift": SHIFT,
        "w": normal(HIDDEN, 3 * HIDDEN),
        "w_b": normal(3 * HIDDEN),
    }
    tables = ["words", "positions", "types", "scale", "shift", *(["mask"] if has_mask else [])]
    lengths = ["lengths"] if has_mask else []
    nodes = [
        helper.make_node(
            "EmbedLayerNormalization", ["ids", "segments", *tables], ["hidden", "lengths"], "embed",
            domain="com.microsoft",
        ),
        helper.make_node(
            "Attention", ["hidden", "w", "w_b", *lengths], ["y"], "attention",
            domain="com.microsoft", num_heads=HEADS,
        ),
    ]  # fmt: skip
    feed["segments"] = np.tile(feed["segments"], (2, 1))
    infos = [
        helper.make_tensor_value_info(name, onnx.TensorProto.INT32, ["batch", "length"])
        for name in feed
    ]
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", "length", HIDDEN])
    original = save(tmp_path / "original.onnx", nodes, infos, [y], content)
    path = tmp_path / "quantised.onnx"
    options = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    quantize_dynamic(original, path, extra_options=options)
    assert {node.op_type for node in onnx.load(path).graph.node} >= {
        "QAttention",
        "QEmbedLayerNormalization",
    }
    twin = make_twin(path, tmp_path / "twin.onnx")
    assert twin.unknown == ()
    assert {weight.name for weight in twin.weights} == content.keys()
    exact = run(with_weights(original, twin.weights), feed)["y"]
    largest = np.abs(exact).max()
    assert largest_difference(run(twin.path, feed)["y"], exact) <= TOLERANCE * largest
    assert largest_difference(run(path, feed)["y"], exact) > 100 * TOLERANCE * largest
