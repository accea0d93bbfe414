"""The nodes of a graph under unique names, and its constants as initializers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.evidence.onnx_file import subgraphs

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True, slots=True)
class KernelNode:
    """A node of the main graph. `name` is the file's name for it, or its first output."""

    name: str
    proto: onnx.NodeProto

    @property
    def operator(self) -> str:
        return str(self.proto.op_type)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of its outputs, without omitted ones."""
        return tuple(name for name in self.proto.output if name)

    @property
    def values(self) -> tuple[str, ...]:
        """Names of its inputs and outputs, without omitted ones."""
        return (*(name for name in self.proto.input if name), *self.outputs)


def number_nodes(graph: onnx.GraphProto, prefix: str = "n") -> dict[str, str]:
    """Give each node a unique name, also in subgraphs; returns new name -> name in the file."""
    names = {}
    for index, node in enumerate(graph.node):
        unique = f"{prefix}{index}"
        names[unique] = node.name or next(filter(None, node.output), node.op_type)
        node.name = unique
        for number, inner in enumerate(subgraphs(node)):
            names |= number_nodes(inner, f"{unique}.{number}.")
    return names


def store_constants(graph: onnx.GraphProto) -> None:
    """Turn the nodes that only hold a tensor into initializers, as the runtime does."""
    constants = [node for node in graph.node if _constant(node) is not None]
    for node in constants:
        tensor = graph.initializer.add()
        tensor.CopyFrom(_constant(node))
        tensor.name = node.output[0]
        graph.node.remove(node)


def _constant(node: onnx.NodeProto) -> onnx.TensorProto | None:
    if node.op_type != "Constant" or node.domain not in {"", "ai.onnx"}:
        return None
    return next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)


def reads(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names of all values that a node reads, also in its subgraphs."""
    yield from (name for name in node.input if name)
    for graph in subgraphs(node):
        for inner in graph.node:
            yield from reads(inner)
        yield from (output.name for output in graph.output)


def inner_nodes(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a node's subgraphs, at any depth."""
    for graph in subgraphs(node):
        yield from graph_nodes(graph)


def graph_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of its subgraphs."""
    for node in graph.node:
        yield node
        yield from inner_nodes(node)


def remove_nodes(graph: onnx.GraphProto, names: set[str]) -> None:
    """Remove the named nodes of a graph."""
    kept = [copied(node) for node in graph.node if node.name not in names]
    del graph.node[:]
    graph.node.extend(kept)


def dynamic_scales(node: onnx.NodeProto) -> list[str]:
    """Return the scale and zero point that a node computes for a whole tensor; else nothing."""
    return list(node.output[1:]) if node.op_type == "DynamicQuantizeLinear" else []


def fix_dynamic_scales(graph: onnx.GraphProto) -> None:
    """Turn all values of `dynamic_scales` into inputs of the graph."""
    from onnx import TensorProto, helper

    for node in graph.node:
        scales = dynamic_scales(node)
        for name, kind in zip(scales, (TensorProto.FLOAT, TensorProto.UINT8), strict=False):
            graph.input.append(helper.make_tensor_value_info(name, kind, []))
        if scales:
            node.op_type = "QuantizeLinear"
            node.input.extend(scales)
            del node.output[1:]


def copied(node: onnx.NodeProto) -> onnx.NodeProto:
    """Return a copy of a node that does not belong to a graph."""
    import onnx

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
