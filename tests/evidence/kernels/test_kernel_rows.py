"""A row must not depend on the other rows, beyond the one scale of DynamicQuantizeLinear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from harness.evidence.kernels.examine import examine_kernels
from harness.evidence.kernels.results import KernelResults
from harness.evidence.kernels.rows import row_difference
from tests.evidence.kernels import quantisers as quantise
from tests.evidence.kernels.tiny_files import (
    ROWS,
    WIDTH,
    build,
    convolutions,
    floats,
    perceptron,
    perceptron_feed,
    rng,
    save,
)


def scaled_rows(*, scale_of: str) -> onnx.ModelProto:
    """Return a product of codes whose activation scales are computed by hand.

    A row has its own scale, the scale of the next row, or the largest scale of all rows.
    """
    constants = {
        "axes": np.array([1, 2]),
        "first": np.array([0]),
        "second": np.array([1]),
        "end": np.array([99]),
        "limit": np.array(127, np.float32),
        "low": np.array(-128, np.float32),
        "codes": rng(3).integers(-127, 127, (WIDTH, 8)).astype(np.int8),
        "zero": np.array(0, np.int8),
    }
    largest = {
        "own": [helper.make_node("Identity", ["sizes"], ["chosen"])],
        "all": [helper.make_node("ReduceMax", ["sizes"], ["chosen"], keepdims=1)],
        "next": [
            helper.make_node("Slice", ["sizes", "second", "end", "first"], ["later"]),
            helper.make_node("Slice", ["sizes", "first", "second", "first"], ["earlier"]),
            helper.make_node("Concat", ["later", "earlier"], ["chosen"], axis=0),
        ],
    }
    nodes = [
        helper.make_node("Abs", ["x"], ["magnitudes"]),
        helper.make_node("ReduceMax", ["magnitudes", "axes"], ["sizes"], keepdims=1),
        *largest[scale_of],
        helper.make_node("Div", ["chosen", "limit"], ["scale"]),
        helper.make_node("Div", ["x", "scale"], ["steps"]),
        helper.make_node("Round", ["steps"], ["rounded"]),
        helper.make_node("Clip", ["rounded", "low", "limit"], ["clipped"]),
        helper.make_node("Cast", ["clipped"], ["quantised"], to=TensorProto.INT8, name="to_codes"),
        helper.make_node("MatMulInteger", ["quantised", "codes"], ["sums"], name="product"),
        helper.make_node("Cast", ["sums"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["wide", "scale"], ["y"]),
    ]
    inputs = {"x": (TensorProto.FLOAT, ["batch_size", 4, WIDTH])}
    return build(nodes, constants, inputs=inputs, outputs=["y"])


def examine(model: onnx.ModelProto, folder: Path, *, rows: int = ROWS) -> KernelResults:
    return examine_kernels(save(model, folder), perceptron_feed(rows))


def test_rows_with_their_own_scales_do_not_depend_on_each_other(tmp_path: Path) -> None:
    results = examine(scaled_rows(scale_of="own"), tmp_path)
    assert results.findings == ()
    assert (results.rows.rows, results.rows.compared) == (ROWS, 2 * ROWS)


@pytest.mark.parametrize("scale_of", ["next", "all"])
def test_a_scale_from_another_row_is_a_finding(tmp_path: Path, scale_of: str) -> None:
    """Each node computes what it defines: only the comparison of rows shows the mistake."""
    results = examine(scaled_rows(scale_of=scale_of), tmp_path)
    assert [finding.node for finding in results.findings] == ["to_codes"]
    assert "as for this row alone, within 1 codes" in results.findings[0].expected


def test_one_row_shows_nothing(tmp_path: Path) -> None:
    results = examine(scaled_rows(scale_of="next"), tmp_path, rows=1)
    assert results.findings == ()
    assert (results.rows.rows, results.rows.compared) == (0, 0)
    assert results.rows.note is not None


def test_the_scale_of_all_rows_explains_other_codes(tmp_path: Path) -> None:
    """The rows differ tenfold in size, so alone they have other codes and scales."""
    path = quantise.dynamic(perceptron(), tmp_path)
    results = examine_kernels(path, perceptron_feed())
    assert results.findings == ()
    assert results.rows.compared >= 4 * ROWS
    assert results.rows.explained == 0


def test_a_scale_does_not_explain_mixed_rows(tmp_path: Path) -> None:
    """The codes of DynamicQuantizeLinear are moved to the next row, before they are multiplied."""
    path = quantise.dynamic(perceptron(), tmp_path)
    model = onnx.load(path)
    product = next(node for node in model.graph.node if node.op_type == "MatMulInteger")
    index = list(model.graph.node).index(product)
    codes = product.input[0]
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.array([value]), name)
        for name, value in {"zero": 0, "one": 1, "end": 99}.items()
    )
    mixing = [
        helper.make_node("Slice", [codes, "one", "end", "zero"], ["later"], name="later"),
        helper.make_node("Slice", [codes, "zero", "one", "zero"], ["earlier"], name="earlier"),
        helper.make_node("Concat", ["later", "earlier"], ["mixed"], axis=0, name="mix"),
    ]
    product.input[0] = "mixed"
    for node in reversed(mixing):
        model.graph.node.insert(index, node)
    results = examine(model, tmp_path)
    assert results.findings[0].node == "mix"
    assert all("as for this row alone" in finding.expected for finding in results.findings)


@pytest.mark.parametrize("make", [perceptron, convolutions])
def test_half_precision_rows_do_not_depend_on_each_other(tmp_path: Path, make: object) -> None:
    feed = perceptron_feed() if make is perceptron else {"x": floats(2, 3, 8, 8, seed=9)}
    model = perceptron() if make is perceptron else convolutions()
    results = examine_kernels(quantise.half(model, tmp_path), feed)
    assert results.findings == ()
    assert results.rows.compared > results.rows.explained


def test_half_precision_rows_that_depend_on_each_other_are_a_finding(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT16, name="cast"),
        helper.make_node("ReduceMax", ["a", "axes"], ["b"], keepdims=1, name="over_rows"),
        helper.make_node("Sub", ["a", "b"], ["y"], name="sub"),
    ]
    model = build(
        nodes,
        {"axes": np.array([0])},
        inputs={"x": (TensorProto.FLOAT, ["batch_size", 4, WIDTH])},
        outputs=["y"],
    )
    assert [finding.node for finding in examine(model, tmp_path).findings] == ["sub"]


def test_rows_may_lie_within_an_axis() -> None:
    """A value of shape (sequence x batch, ...) has each row at every third place."""
    whole = np.arange(24).reshape(12, 2).astype(np.int32)
    for alone in (whole[4:8], whole[1::3]):
        difference = row_difference(whole, alone, 1, rows=3)
        assert difference is not None
        assert difference.value == 0
    moved = row_difference(whole, whole[4:8] + 5, 1, rows=3)
    assert moved is not None
    assert moved.value == 5
    assert row_difference(whole, whole, 1, rows=3) is None
