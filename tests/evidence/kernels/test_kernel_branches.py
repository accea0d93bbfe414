"""The nodes of the branch that a feed takes are compared, as nodes of the main graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.evidence.kernels.examine import examine_kernels
from tests.evidence.kernels.tiny_files import (
    ROWS,
    WIDTH,
    Array,
    Feed,
    build,
    perceptron_feed,
    rng,
    save,
)
from tests.evidence.kernels.wrong_runtimes import add_to_first, change_value


def product(name: str, weights: Array, *, result: str) -> onnx.GraphProto:
    """Return a branch that multiplies codes of the outer `x`; all branches use the same names."""
    nodes = [
        helper.make_node(
            "DynamicQuantizeLinear", ["x"], ["codes", "scale", "zero"], name=f"{name}_quantize"
        ),
        helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(weights)),
        helper.make_node("MatMulInteger", ["codes", "w", "zero"], [result], name=f"{name}_product"),
    ]
    return helper.make_graph(nodes, name, [], [onnx.ValueInfoProto(name=result)])


def merged() -> onnx.ModelProto:
    """Return an If within an If, and another If with the same condition."""
    weights = rng(1).integers(-127, 127, (3, WIDTH, 8)).astype(np.int8)
    nested = helper.make_node(
        "If",
        ["inner"],
        ["sums"],
        then_branch=product("nested_then", weights[0], result="r"),
        else_branch=product("nested_else", weights[1], result="r"),
    )
    outer = helper.make_graph([nested], "outer", [], [onnx.ValueInfoProto(name="sums")])
    nodes = [
        helper.make_node("Not", ["use_cache"], ["inner"]),
        helper.make_node(
            "If",
            ["use_cache"],
            ["first"],
            then_branch=product("cached", weights[2], result="r"),
            else_branch=outer,
        ),
        helper.make_node(
            "If",
            ["use_cache"],
            ["second"],
            then_branch=product("cached_too", weights[0], result="r"),
            else_branch=product("plain", weights[2], result="r"),
        ),
    ]
    inputs = {
        "x": (TensorProto.FLOAT, ["batch_size", 4, WIDTH]),
        "use_cache": (TensorProto.BOOL, []),
    }
    return build(nodes, {}, inputs=inputs, outputs=["first", "second"])


def feed(*, cache: bool) -> Feed:
    return {**perceptron_feed(), "use_cache": np.array(cache)}


@pytest.mark.parametrize(
    ("cache", "taken", "left"),
    [
        (True, {"cached", "cached_too"}, {"plain", "nested_then", "nested_else"}),
        (False, {"nested_then", "plain"}, {"cached", "cached_too", "nested_else"}),
    ],
)
def test_the_taken_branch_is_compared(
    tmp_path: Path, *, cache: bool, taken: set[str], left: set[str]
) -> None:
    path = save(merged(), tmp_path)
    results = examine_kernels(path, feed(cache=cache))
    assert results.findings == ()
    assert {one.operator: one.checked for one in results.operators} == {
        "DynamicQuantizeLinear": len(taken),
        "MatMulInteger": len(taken),
    }
    assert results.rows.compared == 2 * len(taken) * ROWS
    reason = "it is in a branch that this feed does not take"
    assert {one.reason for one in results.unchecked} == {reason}
    assert {one.node for one in results.unchecked} == {
        f"{name}_{kind}" for name in left for kind in ("quantize", "product")
    }


def test_a_wrong_kernel_of_a_branch_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(merged(), tmp_path)
    change_value(monkeypatch, "first", add_to_first(1))
    one_row = {**perceptron_feed(rows=1), "use_cache": np.array(False)}
    results = examine_kernels(path, one_row)
    assert [finding.node for finding in results.findings] == ["nested_then_product"]
