"""Graphs are compared without names, and each difference names its node."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.evidence.isomorphism import graph_differences


def graph(nodes: list[onnx.NodeProto], constants: dict[str, list[int]]) -> onnx.ModelProto:
    """Return a model from input `x` to output `y`; constants are int64."""
    values = [helper.make_tensor_value_info(n, TensorProto.INT64, ["n"]) for n in ("x", "y")]
    tensors = [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
    return helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], tensors))


def sums(constant: list[int], *, name: str = "c", operator: str = "Add") -> onnx.ModelProto:
    nodes = [
        helper.make_node(operator, ["x", name], ["sum"], name="first"),
        helper.make_node("Cast", ["sum"], ["y"], name="second", to=TensorProto.INT64),
    ]
    return graph(nodes, {name: constant})


def branches(constant: int) -> onnx.ModelProto:
    def branch(value: int) -> onnx.GraphProto:
        tensor = numpy_helper.from_array(np.array([value]))
        node = helper.make_node("Constant", [], ["out"], value=tensor)
        output = helper.make_tensor_value_info("out", TensorProto.INT64, [1])
        return helper.make_graph([node], "branch", [], [output])

    node = helper.make_node(
        "If", ["is"], ["y"], name="if", then_branch=branch(constant), else_branch=branch(0)
    )
    return graph([helper.make_node("Cast", ["x"], ["is"], to=TensorProto.BOOL), node], {})


def places(first: onnx.ModelProto, second: onnx.ModelProto) -> list[str]:
    return [difference.place for difference in graph_differences(first, second)]


def test_names_are_ignored() -> None:
    other = sums([1, 2], name="renamed")
    for node in other.graph.node:
        node.name = ""
    other.graph.node[0].output[0] = other.graph.node[1].input[0] = "other"
    assert places(sums([1, 2]), other) == []


def test_a_constant_may_be_a_node_or_an_initializer() -> None:
    other = sums([1, 2])
    tensor = other.graph.initializer.pop()
    other.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
    assert places(sums([1, 2]), other) == []


def test_a_changed_constant_is_reported_with_both_values() -> None:
    (difference,) = graph_differences(sums([1, 2]), sums([1, 3]))
    assert difference.place == "input 1 of node first (Add)"
    assert difference.sides == ("int64[2] of 1, 2", "int64[2] of 1, 3")


def test_a_changed_shape_is_reported_even_if_the_bytes_are_equal() -> None:
    other = sums([1, 2])
    other.graph.initializer[0].dims[:] = [2, 1]
    assert places(sums([1, 2]), other) == ["input 1 of node first (Add)"]


def test_a_changed_attribute_is_reported() -> None:
    other = sums([1, 2])
    other.graph.node[1].attribute[0].i = TensorProto.INT32
    assert places(sums([1, 2]), other) == ["attribute to of node second (Cast)"]


def test_a_changed_connection_is_reported() -> None:
    other = sums([1, 2])
    other.graph.node[1].input[0] = "x"
    assert places(sums([1, 2]), other) == ["input 0 of node second (Cast)"]


def test_swapped_outputs_are_reported() -> None:
    other = sums([1, 2])
    other.graph.output[0].name = "sum"
    (difference,) = graph_differences(sums([1, 2]), other)
    assert difference.place == "output 0 of the graph"


def test_subgraphs_are_compared() -> None:
    assert places(branches(1), branches(1)) == []
    assert places(branches(1), branches(2)) == ["attribute then_branch of node if (If)"]


@pytest.mark.parametrize("reverse", [False, True])
def test_another_operator_or_an_extra_node_ends_the_comparison(reverse: bool) -> None:
    longer = sums([1, 2])
    longer.graph.node.append(helper.make_node("Neg", ["y"], ["z"], name="third"))
    pair = (longer, sums([9, 9])) if reverse else (sums([9, 9]), longer)
    *_, last = graph_differences(*pair)
    assert last.place in {"the graph", "node third (Neg)"}
    assert set(last.sides) == {"the end", "Neg"}
    assert places(sums([1]), sums([2], operator="Mul")) == ["node first (Add)"]
