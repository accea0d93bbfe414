"""Correct kernels have no finding; a result that breaks its operator's rule is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantFormat, QuantType

from harness.evidence.kernels import narrowing, outside_weights, recording
from harness.evidence.kernels.examine import examine_kernels
from harness.evidence.kernels.results import KernelResults
from tests.evidence.kernels import quantisers as quantise
from tests.evidence.kernels.tiny_files import (
    HIDDEN,
    WIDTH,
    Feed,
    build,
    convolutions,
    embedding,
    embedding_feed,
    floats,
    perceptron,
    perceptron_feed,
    save,
)
from tests.evidence.kernels.wrong_runtimes import (
    add_to_first,
    add_ulps_to_largest,
    change_value,
    first_output,
)

IMAGES: Feed = {"x": floats(2, 3, 8, 8, seed=9)}
FEEDS = {perceptron: perceptron_feed(), convolutions: IMAGES, embedding: embedding_feed()}


def dynamic(folder: Path, model: Callable[[], onnx.ModelProto] = perceptron, **more: Any) -> Path:
    return quantise.dynamic(model(), folder, **more)


def static(
    folder: Path,
    model: Callable[[], onnx.ModelProto] = perceptron,
    *,
    form: QuantFormat = QuantFormat.QDQ,
    **more: Any,
) -> Path:
    return quantise.static(model(), folder, FEEDS[model], form=form, **more)


def blocks(folder: Path, model: Callable[[], onnx.ModelProto] = perceptron, **more: Any) -> Path:
    return quantise.blocks(model(), folder, **more)


def float_codes(folder: Path, model: Callable[[], onnx.ModelProto], *, kind: int) -> Path:
    return quantise.float_codes(model(), folder, kind=kind)


def half(folder: Path, model: Callable[[], onnx.ModelProto] = perceptron) -> Path:
    return quantise.half(model(), folder)


def half_blocks(folder: Path, **more: Any) -> Path:
    return quantise.blocks(onnx.load(half(folder)), folder, **more)


def counts(results: KernelResults) -> dict[str, int]:
    return {operator.operator: operator.checked for operator in results.operators}


def value_of(results: KernelResults, operator: str, unit: str) -> float:
    (found,) = [one for one in results.operators if one.operator == operator]
    return next(one.value for one in found.differences if one.unit == unit)


MLP, CONV, EMBED = perceptron, convolutions, embedding
OPERATOR = QuantFormat.QOperator
UNSIGNED = {"weight_type": QuantType.QUInt8}
"""Weights whose zero point is not 0."""
MATMUL: dict[str, Any] = {"op_types_to_quantize": ("MatMul",)}
CASES: list[tuple[str, Any, Any, dict[str, Any], set[str]]] = [
    ("dynamic", dynamic, MLP, {}, {"DynamicQuantizeLinear", "MatMulInteger"}),
    ("dynamic-uint8", dynamic, MLP, UNSIGNED, {"MatMulInteger"}),
    ("dynamic-channels", dynamic, MLP, {"per_channel": True, **UNSIGNED}, {"MatMulInteger"}),
    (
        "dynamic-conv",
        dynamic,
        CONV,
        {"op_types_to_quantize": ["Conv"], **UNSIGNED},
        {"ConvInteger"},
    ),
    ("dynamic-gather", dynamic, EMBED, {}, {"Gather", "MatMulInteger"}),
    ("qdq", static, MLP, {}, {"QuantizeLinear", "DequantizeLinear"}),
    ("qdq-channels", static, CONV, {"per_channel": True}, {"DequantizeLinear"}),
    ("qdq-16", static, MLP, {"activation_type": QuantType.QUInt16}, {"QuantizeLinear"}),
    ("operators", static, MLP, {"form": OPERATOR}, {"QLinearMatMul", "QLinearSoftmax"}),
    ("operators-conv", static, CONV, {"form": OPERATOR}, {"QLinearConv", "QGemm", "Flatten"}),
    (
        "operators-channels",
        static,
        CONV,
        {"form": OPERATOR, "per_channel": True},
        {"QLinearConv", "QLinearAdd", "QLinearMul", "QLinearSigmoid"},
    ),
    ("operators-uint8", static, MLP, {"form": OPERATOR, **UNSIGNED}, {"QLinearMatMul"}),
    (
        "operators-uint8-conv",
        static,
        CONV,
        {"form": OPERATOR, **UNSIGNED},
        {"QLinearConv", "QGemm"},
    ),
    ("q4", blocks, EMBED, {"is_symmetric": True}, {"MatMulNBits", "GatherBlockQuantized"}),
    ("q4-zero-points", blocks, EMBED, {"is_symmetric": False}, {"GatherBlockQuantized"}),
    ("q4-qdq", blocks, MLP, {"quant_format": QuantFormat.QDQ, **MATMUL}, {"DequantizeLinear"}),
    (
        "q4-level-4",
        blocks,
        MLP,
        {"accuracy_level": 4, "is_symmetric": True, **MATMUL},
        {"MatMulNBits"},
    ),
    ("q8", blocks, MLP, {"bits": 8, **MATMUL}, {"MatMulNBits"}),
    ("q8-level-4", blocks, MLP, {"bits": 8, "accuracy_level": 4, **MATMUL}, {"MatMulNBits"}),
    ("fp4", float_codes, MLP, {"kind": 0}, {"MatMulBnb4"}),
    ("nf4", float_codes, MLP, {"kind": 1}, {"MatMulBnb4"}),
    ("fp16", half, MLP, {}, {"MatMul", "LayerNormalization", "Softmax", "Cast"}),
    ("fp16-conv", half, CONV, {}, {"Conv", "Gemm"}),
]


@pytest.mark.parametrize(
    ("make", "model", "options", "operators"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_correct_files_have_no_finding(
    tmp_path: Path, make: Any, model: Any, options: dict[str, Any], operators: set[str]
) -> None:
    results = examine_kernels(make(tmp_path, model, **options), FEEDS[model])
    assert results.findings == ()
    assert (*results.unchecked, *results.without_kernel) == ()
    assert operators <= {name for name, checked in counts(results).items() if checked}


def test_half_precision_with_blocks_of_codes(tmp_path: Path) -> None:
    results = examine_kernels(half_blocks(tmp_path, **MATMUL), perceptron_feed())
    assert results.findings == ()
    assert 0 < value_of(results, "MatMulNBits", "ulps") < 1


def test_sums_along_the_last_axis(tmp_path: Path) -> None:
    """The axes are an input that is negative."""
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT16, name="cast"),
        helper.make_node("ReduceMean", ["a", "axes"], ["m"], name="mean"),
        helper.make_node("ReduceSum", ["a", "axes"], ["y"], name="sum"),
    ]
    stored = {"axes": np.array([-1])}
    inputs = {"x": (TensorProto.FLOAT, ["batch_size", 4, WIDTH])}
    model = build(nodes, stored, inputs=inputs, outputs=["m", "y"])
    results = examine_kernels(save(model, tmp_path), perceptron_feed())
    assert results.findings == ()
    assert counts(results) == {"Cast": 1, "ReduceMean": 1, "ReduceSum": 1}
    assert 0 < value_of(results, "ReduceMean", "ulps") < 1


@pytest.mark.parametrize("optimised", [False, True])
@pytest.mark.parametrize("precise", ["0", "1"])
def test_session_options_and_optimisation_are_recorded(
    tmp_path: Path, precise: str, *, optimised: bool
) -> None:
    options = {"session.x64quantprecision": precise}
    path = dynamic(tmp_path, weight_type=QuantType.QInt8)
    results = examine_kernels(path, perceptron_feed(), session_options=options, optimised=optimised)
    assert results.findings == ()
    assert dict(results.capabilities.session_options) == options
    assert results.capabilities.optimised is optimised


def test_nodes_limit_the_comparison(tmp_path: Path) -> None:
    results = examine_kernels(half(tmp_path), perceptron_feed(), nodes=["add"])
    assert counts(results) == {"Add": 1}


def findings_with(
    path: Path,
    operator: str,
    change: Any,
    monkeypatch: pytest.MonkeyPatch,
    *,
    feed: Feed | None = None,
) -> list[str]:
    """Return the findings on one row: rows are compared elsewhere."""
    change_value(monkeypatch, first_output(path, operator), change)
    results = examine_kernels(path, feed or perceptron_feed(rows=1))
    return [str(finding) for finding in results.findings if finding.operator == operator]


@pytest.mark.parametrize("codes", [1, 2])
@pytest.mark.parametrize(
    ("make", "operator"),
    [
        (dynamic, "DynamicQuantizeLinear"),
        (static, "QuantizeLinear"),
        (lambda folder: static(folder, form=QuantFormat.QOperator), "QLinearMatMul"),
    ],
    ids=["dynamic", "static", "operators"],
)
def test_codes_may_be_off_by_one_and_not_by_two(
    tmp_path: Path, make: Any, operator: str, codes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = findings_with(make(tmp_path), operator, add_to_first(codes), monkeypatch)
    assert len(found) == (codes == 2)
    assert all("within 1 codes (they differ by 2)" in text for text in found)


@pytest.mark.parametrize(
    ("make", "operator"),
    [(dynamic, "MatMulInteger"), (lambda f: dynamic(f, embedding), "Gather")],
    ids=["sum", "moved"],
)
def test_integers_are_exact(
    tmp_path: Path, make: Any, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    feed = embedding_feed(rows=1) if operator == "Gather" else None
    (found,) = findings_with(path, operator, add_to_first(1), monkeypatch, feed=feed)
    assert "within 0 codes" in found
    assert "[0, 0, 0]" in found


@pytest.mark.parametrize(("ulps", "is_found"), [(2, False), (8, True)])
@pytest.mark.parametrize("operator", ["Add", "MatMul", "LayerNormalization", "Softmax"])
def test_half_precision_may_be_off_by_few_ulps(
    tmp_path: Path, operator: str, ulps: int, *, is_found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = findings_with(half(tmp_path), operator, add_ulps_to_largest(ulps), monkeypatch)
    assert bool(found) is is_found


@pytest.mark.parametrize(
    ("make", "operator"),
    [(static, "DequantizeLinear"), (lambda f: blocks(f, embedding), "GatherBlockQuantized")],
    ids=["dequantise", "gather"],
)
def test_dequantised_values_are_one_product(
    tmp_path: Path, make: Any, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding loses half an ulp, so a value that is off by two is no rounded product."""
    feed = embedding_feed(rows=1) if operator == "GatherBlockQuantized" else None
    change = add_ulps_to_largest(2)
    assert findings_with(make(tmp_path), operator, change, monkeypatch, feed=feed)


def test_the_scale_of_codes_is_a_rounded_quotient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dynamic(tmp_path)
    node = next(n for n in onnx.load(path).graph.node if n.op_type == "DynamicQuantizeLinear")
    change_value(monkeypatch, node.output[1], add_ulps_to_largest(4))
    results = examine_kernels(path, perceptron_feed(rows=1))
    assert [finding.operator for finding in results.findings] == ["DynamicQuantizeLinear"]


def test_one_wrong_code_of_a_weight_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The product misses one step of one weight, which is far more than rounding."""
    path = blocks(tmp_path, **MATMUL)
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == "MatMulNBits")
    scales = {t.name: t for t in model.graph.initializer}[node.input[2]]
    step = abs(float(onnx.numpy_helper.to_array(scales).reshape(-1)[0]))
    missed = step * abs(float(perceptron_feed(rows=1)["x"][0, 0, 0]))
    assert findings_with(path, "MatMulNBits", add_to_first(missed), monkeypatch)


def test_a_product_with_codes_is_as_exact_as_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = blocks(tmp_path, **MATMUL)
    assert findings_with(path, "MatMulNBits", add_ulps_to_largest(256), monkeypatch)


def test_nan_in_place_of_a_number_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(array: Any) -> Any:
        return np.where(np.arange(array.size).reshape(array.shape) == 0, np.nan, array).astype(
            array.dtype
        )

    (found,) = findings_with(half(tmp_path), "Softmax", spoil, monkeypatch)
    assert "got nan at `" in found


def test_a_node_without_a_kernel_is_no_finding(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.BFLOAT16, name="to_bfloat16"),
        helper.make_node("Transpose", ["a"], ["b"], name="transpose"),
        helper.make_node("MatMul", ["a", "b"], ["c"], name="product"),
        helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT, name="back"),
    ]
    model = build(nodes, {}, inputs={"x": (TensorProto.FLOAT, ["n", 4])}, outputs=["y"])
    results = examine_kernels(save(model, tmp_path), {"x": floats(3, 4)})
    assert results.findings == ()
    assert counts(results) == {"Cast": 1, "Transpose": 1}
    assert [(one.node, one.reason) for one in results.without_kernel] == [
        ("product", "the runtime has no kernel for it"),
        ("back", "it depends on a node for which the runtime has no kernel"),
    ]


def test_a_file_of_one_node_without_a_kernel_is_no_finding(tmp_path: Path) -> None:
    kind = (TensorProto.BFLOAT16, ["n", 4])
    node = helper.make_node("MatMul", ["x", "x"], ["y"], name="product")
    model = build([node], {}, inputs={"x": kind}, outputs=["y"])
    results = examine_kernels(save(model, tmp_path), {"x": floats(4, 4)})
    assert (results.findings, results.operators) == ((), ())
    assert [one.node for one in results.without_kernel] == ["product"]


def test_an_operator_without_a_reference_is_named(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT16, name="cast"),
        helper.make_node("Inverse", ["a"], ["b"], domain="com.microsoft", name="inverse"),
    ]
    model = build(nodes, {}, inputs={"x": (TensorProto.FLOAT, ["n", 4, 4])}, outputs=["b"])
    results = examine_kernels(save(model, tmp_path), {"x": floats(1, 4, 4)})
    assert counts(results) == {"Cast": 1, "Inverse": 0}
    assert [str(one) for one in results.unchecked] == [
        "node `inverse` (Inverse): its operator has no reference here"
    ]


@pytest.mark.parametrize(
    ("make", "operator"),
    [
        (lambda f: dynamic(f, weight_type=QuantType.QUInt8, per_channel=True), "MatMulInteger"),
        (lambda f: blocks(f, **MATMUL), "MatMulNBits"),
        (half, "MatMul"),
    ],
    ids=["codes", "blocks", "half"],
)
def test_large_products_are_compared_at_some_columns(
    tmp_path: Path, make: Any, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last column is one of them, and keeps its index."""
    monkeypatch.setattr(narrowing, "LIMIT", 5 * WIDTH)
    path = make(tmp_path)
    assert examine_kernels(path, perceptron_feed()).findings == ()

    def spoil_last(array: Any) -> Any:
        return np.concatenate([array[..., :-1], array[..., -1:] + array.dtype.type(9)], axis=-1)

    found = findings_with(path, operator, spoil_last, monkeypatch)
    assert any(f", {HIDDEN - 1}]" in text for text in found)


def test_values_that_are_no_tensors_are_unchecked(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT16, name="cast"),
        helper.make_node("SplitToSequence", ["a"], ["list"], axis=0, name="split"),
        helper.make_node("ConcatFromSequence", ["list"], ["y"], axis=0, name="join"),
    ]
    model = build(nodes, {}, inputs={"x": (TensorProto.FLOAT, ["n", 4])}, outputs=["y"])
    results = examine_kernels(save(model, tmp_path), {"x": floats(2, 4)})
    assert results.findings == ()
    assert counts(results) == {"Cast": 1}
    reason = "it reads or returns a value that is no tensor"
    assert [(one.node, one.reason) for one in results.unchecked] == [
        ("split", reason),
        ("join", reason),
    ]


@pytest.mark.parametrize(("first", "is_found"), [(1, False), (2, True)])
def test_a_cast_is_compared_within_the_range(
    tmp_path: Path, first: int, *, is_found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers beyond the range of an integer type have no defined result."""
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT8, name="cast")
    model = build([node], {}, inputs={"x": (TensorProto.FLOAT, ["n", 4])}, outputs=["y"])
    feed = {"x": np.array([[1.5, 200, -np.inf, np.nan]], np.float32)}
    change_value(monkeypatch, "y", lambda array: np.array([[first, 7, 7, 7]], array.dtype))
    results = examine_kernels(save(model, tmp_path), feed)
    assert bool(results.findings) is is_found
    assert counts(results) == {"Cast": 1}


def test_codes_that_are_small_floats_are_unchecked(tmp_path: Path) -> None:
    zero = onnx.helper.make_tensor("zero", TensorProto.FLOAT8E4M3FN, [], [0])
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "zero"], ["codes"], name="quantise"),
        helper.make_node("DequantizeLinear", ["codes", "s", "zero"], ["y"], name="dequantise"),
    ]
    stored = {"s": np.array(0.1, np.float32)}
    model = build(nodes, stored, inputs={"x": (TensorProto.FLOAT, ["n", 4])}, outputs=["y"])
    model.graph.initializer.append(zero)
    results = examine_kernels(save(model, tmp_path), {"x": floats(2, 4)})
    assert results.findings == ()
    assert {one.node for one in results.unchecked} == {"quantise", "dequantise"}


def test_large_weights_and_many_values_are_taken_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = half(tmp_path)
    whole = examine_kernels(path, perceptron_feed())
    written: list[int] = []
    move_weights = outside_weights.move_weights

    def move(graph: Any, folder: Path) -> None:
        move_weights(graph, folder)
        written.append((folder / "weights").stat().st_size)

    monkeypatch.setattr(outside_weights, "move_weights", move)
    monkeypatch.setattr(outside_weights, "LIMIT", 0)
    monkeypatch.setattr(recording, "FIRST_BATCH", 2)
    monkeypatch.setattr(recording, "BUDGET", 1)
    parts = examine_kernels(path, perceptron_feed())
    assert parts.findings == ()
    assert counts(parts) == counts(whole)
    assert parts.rows.rows == whole.rows.rows
    assert written == [2 * WIDTH * HIDDEN]


def test_external_data_is_read(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    model = onnx.load(half(tmp_path))
    path = inner / "model.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="w", size_threshold=0)
    results = examine_kernels(path, perceptron_feed())
    assert results.findings == ()
    assert counts(results)["MatMul"] == 2
