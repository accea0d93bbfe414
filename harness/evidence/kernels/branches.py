"""Replace each If of a graph by the branch that a feed takes, so that its values can be outputs.

A merged decoder keeps all its nodes in two branches, and one input decides between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.evidence.kernels.graphs import copied
from harness.evidence.onnx_file import subgraphs

if TYPE_CHECKING:
    import onnx


def conditional_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the nodes of the graph itself that choose a branch."""
    return [node for node in graph.node if node.op_type == "If" and not node.domain]


def branch(node: onnx.NodeProto, *, taken: bool) -> onnx.GraphProto:
    """Return the branch of an If for a condition."""
    wanted = "then_branch" if taken else "else_branch"
    return next(attribute.g for attribute in node.attribute if attribute.name == wanted)


def inline_branches(graph: onnx.GraphProto, conditions: Mapping[str, bool]) -> None:
    """Replace the If nodes of a graph by their branches; `conditions` is name of the node -> value.

    Values of a branch are renamed, since two branches may use one name.
    """
    import onnx

    flat: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.name in conditions:
            taken = onnx.GraphProto()
            taken.CopyFrom(branch(node, taken=conditions[node.name]))
            flat += _as_nodes(taken, node)
            graph.initializer.extend(taken.initializer)
        else:
            flat.append(copied(node))
    del graph.node[:]
    graph.node.extend(flat)


def _as_nodes(taken: onnx.GraphProto, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a branch, with the names of the If for its outputs."""
    from onnx import helper

    own = [name for inner in taken.node for name in inner.output if name]
    renamed = {name: f"{node.name}/{name}" for name in own}
    renamed |= {tensor.name: f"{node.name}/{tensor.name}" for tensor in taken.initializer}
    pairs = list(zip(node.output, (output.name for output in taken.output), strict=True))
    renamed |= {inner: outer for outer, inner in pairs if inner in own and outer}
    for tensor in taken.initializer:
        tensor.name = renamed[tensor.name]
    for inner_node in taken.node:
        _rename(inner_node, renamed)
        yield inner_node
    for number, (outer, inner) in enumerate(pairs):
        if outer and renamed.get(inner) != outer:
            name = f"{node.name}.out{number}"
            yield helper.make_node("Identity", [renamed.get(inner, inner)], [outer], name=name)


def _rename(node: onnx.NodeProto, renamed: Mapping[str, str]) -> None:
    node.input[:] = [renamed.get(name, name) for name in node.input]
    node.output[:] = [renamed.get(name, name) for name in node.output]
    for graph in subgraphs(node):
        for inner in graph.node:
            _rename(inner, renamed)
        for output in graph.output:
            output.name = renamed.get(output.name, output.name)
