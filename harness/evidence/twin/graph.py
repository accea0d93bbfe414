"""A graph whose nodes are replaced one after the other until a float twin is left."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.weights import Array, StoredWeight

MICROSOFT = "com.microsoft"
STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})


def operator(node: ir.Node) -> str:
    """Return the operator of a node as `domain::Op`."""
    return f"{node.domain or 'ai.onnx'}::{node.op_type}"


def attribute(node: ir.Node, name: str, default: Any) -> Any:
    """Return the value of a node's attribute, or a default if it is not set."""
    found = node.attributes.get(name)
    return default if found is None else found.value


def padded_inputs(node: ir.Node, count: int) -> list[ir.Value | None]:
    """Return the inputs of a node, with None for each missing one up to `count`."""
    return [*node.inputs, *[None] * (count - len(node.inputs))]


@dataclass(frozen=True, slots=True)
class Quantised:
    """The float32 value that a quantised one stands for, with its own scale and zero point."""

    value: ir.Value
    scale: ir.Value
    zero: ir.Value | None


@dataclass(slots=True)
class Rewriting:
    """A model in the course of being rewritten.

    `quantised` maps each quantised value to its float32 value, as far as nodes were visited.
    `weights` maps initializers of the twin to the weights that they were made from. `parameters`
    are the names of single numbers that are weights.
    """

    model: ir.Model
    parameters: Collection[str] = ()
    quantised: dict[ir.Value, Quantised] = field(default_factory=dict)
    weights: dict[ir.Value, StoredWeight] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    known: dict[tuple[Any, ...], ir.Value] = field(default_factory=dict)
    """Key -> a value that was made before and can be used again."""
    _folded: dict[ir.Value, Array] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for graph in self.model.graphs():
            self._names |= {*graph.initializers, *(value.name or "" for value in graph.inputs)}
            for node in graph:
                self._names |= {node.name or "", *(value.name or "" for value in node.outputs)}

    def constant(self, value: ir.Value | None) -> Array | None:
        """Return the content of an initializer or of a Constant node; None for another value."""
        source = origin(value)
        if source is None:
            return None
        if source in self._folded:
            return self._folded[source]
        tensor = ir.convenience.get_const_tensor(source)
        if tensor is None or tensor.dtype == ir.DataType.STRING:
            return None
        return np.asarray(tensor.numpy())

    def fold(self, value: ir.Value, content: Array) -> None:
        """State the content of a value that its node computes from constants."""
        self._folded[value] = content

    def are_equal(self, one: ir.Value | None, other: ir.Value | None) -> bool:
        """Whether two values are the same one, or constants of equal content."""
        if one is other:
            return True
        first, second = self.constant(one), self.constant(other)
        return first is not None and second is not None and np.array_equal(first, second)

    def emit(
        self,
        before: ir.Node,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Any] | None = None,
        *,
        outputs: int = 1,
        domain: str = "",
    ) -> tuple[ir.Value, ...]:
        """Insert a node and return its outputs."""
        stem = before.outputs[0].name or op_type
        node = ir.Node(
            domain,
            op_type,
            inputs,
            attributes=ir.convenience.convert_attributes(dict(attributes or {})),
            num_outputs=outputs,
            name=self.new_name(f"{stem}_{op_type}"),
        )
        for output in node.outputs:
            output.name = self.new_name(f"{stem}_{op_type}_output")
        assert before.graph is not None
        before.graph.insert_before(before, node)
        return tuple(node.outputs)

    def initializer(
        self, tensor: ir.TensorProtocol, name: str, graph: ir.Graph | None = None
    ) -> ir.Value:
        """Add an initializer to a graph, by default the main one, under a name not yet used."""
        tensor.name = self.new_name(name)
        value = ir.Value(name=tensor.name, const_value=tensor, type=ir.TensorType(tensor.dtype))
        value.shape = ir.Shape(tensor.shape.numpy())
        (graph or self.model.graph).register_initializer(value)
        return value

    def weight(self, stored: StoredWeight, shape: Sequence[int], near: ir.Value) -> ir.Value:
        """Add a decoded weight as an initializer, to the graph of the value that it replaces."""
        tensor = ir.LazyTensor(
            lambda: ir.Tensor(np.ascontiguousarray(stored.decode().values)),
            dtype=ir.DataType.FLOAT,
            shape=ir.Shape(shape),
        )
        value = self.initializer(tensor, stored.name, graph_of(near))
        self.weights[value] = stored
        return value

    def replace(self, old: ir.Value, new: ir.Value) -> None:
        """Let all readers of a node's output read another value. A graph output keeps its name."""
        if old.is_graph_output():
            node, name = old.producer(), old.name
            assert node is not None
            (new,) = self.emit(node, "Identity", [new])
            old.name, new.name = new.name, name
        if new.producer() is not None and new.type is None:
            new.type, new.shape = old.type, old.shape
        old.replace_all_uses_with(new, replace_graph_outputs=True)

    def new_name(self, stem: str) -> str:
        """Return a name that no value or node of the model has, and reserve it."""
        name, number = stem, 0
        while name in self._names:
            number += 1
            name = f"{stem}_{number}"
        self._names.add(name)
        return name


def origin(value: ir.Value | None) -> ir.Value | None:
    """Return the value that Identity nodes pass on."""
    while value is not None and (node := value.producer()) and node.op_type == "Identity":
        value = node.inputs[0]
    return value


def graph_of(value: ir.Value) -> ir.Graph | None:
    """Return the graph in which a value is defined."""
    node = value.producer()
    return value.graph if node is None else node.graph


def all_nodes(model: ir.Model) -> Iterator[ir.Node]:
    """Yield the nodes of a graph and its subgraphs, each after the nodes that it reads."""
    yield from ir.traversal.RecursiveGraphIterator(model.graph)
