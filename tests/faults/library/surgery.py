"""Edits of ONNX graphs, most of them written as a few nodes in ONNX's own textual syntax.

A place is the name of a value, or the end of a node's name; the latter means the first output of
the node, and only one node may have that ending.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

Edit = Callable[[onnx.ModelProto], None]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """Replace a value by `y` of the body, which computes it from `x`, for all its readers.

    `others` names further values that the body uses: name in the body -> place in the graph.
    """

    place: str
    body: str
    others: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, model: onnx.ModelProto) -> None:
        value = value_at(model, self.place)
        result, added = _graft(model, self.body, {"x": self.place, **self.others})
        own = {id(node) for node in added}
        for node in model.graph.node:
            if id(node) not in own:
                _rename(node.input, value, result)


@dataclass(frozen=True, slots=True)
class Argument:
    """Replace input `index` of one node by `y` of the body, computed from the old input `x`."""

    node: str
    index: int
    body: str
    others: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, model: onnx.ModelProto) -> None:
        node = node_at(model, self.node)
        before = node.input[self.index]
        result, _ = _graft(model, self.body, {"x": before, **self.others})
        node.input[self.index] = result


@dataclass(frozen=True, slots=True)
class Returned:
    """Replace an output of the file by `y` of the body; inner nodes still read `x`."""

    output: str
    body: str
    others: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, model: onnx.ModelProto) -> None:
        before = free_output(model, self.output)
        result, _ = _graft(model, self.body, {"x": before, **self.others})
        node = onnx.helper.make_node("Identity", [result], [self.output])
        model.graph.node.append(node)


@dataclass(frozen=True, slots=True)
class Weight:
    """Apply `change` to a stored tensor, given by its name or by the node that reads it."""

    place: str
    change: Callable[[Array], Array]

    def __call__(self, model: onnx.ModelProto) -> None:
        tensor = tensor_at(model, self.place)
        array = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(self.change(array.copy()), tensor.name))


@dataclass(frozen=True, slots=True)
class AllWeights:
    """Apply `change` to every stored matrix."""

    change: Callable[[Array], Array]

    def __call__(self, model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if len(tensor.dims) > 1:
                Weight(tensor.name, self.change)(model)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """Exchange two values for all their readers."""

    first: str
    second: str

    def __call__(self, model: onnx.ModelProto) -> None:
        one, other = value_at(model, self.first), value_at(model, self.second)
        for node in model.graph.node:
            for old, new in ((one, "\0"), (other, one), ("\0", other)):
                _rename(node.input, old, new)


@dataclass(frozen=True, slots=True)
class Swapped:
    """Exchange the values of two outputs."""

    first: str
    second: str

    def __call__(self, model: onnx.ModelProto) -> None:
        names = (self.first, self.second)
        values = [free_output(model, name) for name in names]
        for name, value in zip(names, reversed(values), strict=True):
            model.graph.node.append(onnx.helper.make_node("Identity", [value], [name]))


@dataclass(frozen=True, slots=True)
class All:
    """Apply several edits in order."""

    edits: tuple[Edit, ...]

    def __call__(self, model: onnx.ModelProto) -> None:
        for edit in self.edits:
            edit(model)


def reverse_inputs(model: onnx.ModelProto) -> None:
    """Reverse the order of the inputs."""
    inputs = list(model.graph.input)[::-1]
    del model.graph.input[:]
    model.graph.input.extend(inputs)


def free_output(model: onnx.ModelProto, output: str) -> str:
    """Rename the value of an output, to free its name; return the new name."""
    before = f"{output}_before"
    for node in model.graph.node:
        _rename(node.output, output, before)
        _rename(node.input, output, before)
    return before


def node_at(model: onnx.ModelProto, ending: str) -> onnx.NodeProto:
    """Return the node whose name ends like this; raises LookupError if it is not exactly one."""
    found = [node for node in model.graph.node if f"/{node.name}".endswith(f"/{ending}")]
    if len(found) != 1:
        raise LookupError(f"{ending}: got {[node.name for node in found]}, expected one node")
    return found[0]


def value_at(model: onnx.ModelProto, place: str) -> str:
    """Return the name of a value, given its name or the node that computes it."""
    if place in _stored_or_given(model):
        return place
    if any(place in node.output for node in model.graph.node):
        return place
    return str(node_at(model, place).output[0])


def tensor_at(model: onnx.ModelProto, place: str) -> onnx.TensorProto:
    """Return the initializer of this name, or the only stored tensor that the node reads."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    named = [tensor for name, tensor in stored.items() if name.endswith(place)]
    if not named:
        stored |= {node.output[0]: node.attribute[0].t for node in _constants(model)}
        named = [stored[name] for name in node_at(model, place).input if name in stored]
    if len(named) != 1:
        raise LookupError(f"{place}: got {len(named)} stored tensors, expected one")
    return named[0]


def _constants(model: onnx.ModelProto) -> Iterable[onnx.NodeProto]:
    return (node for node in model.graph.node if node.op_type == "Constant")


def _stored_or_given(model: onnx.ModelProto) -> set[str]:
    return {value.name for value in (*model.graph.input, *model.graph.initializer)}


def _rename(names: Any, old: str, new: str) -> None:
    for index, name in enumerate(names):
        if name == old:
            names[index] = new


def _graft(
    model: onnx.ModelProto, body: str, places: Mapping[str, str]
) -> tuple[str, list[onnx.NodeProto]]:
    """Insert the nodes of a body; return the graph's name of `y`, and the nodes."""
    bound = {name: value_at(model, place) for name, place in places.items()}
    parsed = onnx.parser.parse_graph(f"body ({', '.join(bound)}) => (y) {{ {body} }}")
    prefix = f"grafted_{len(model.graph.node)}"
    at = _behind(model, set(bound.values()))
    for offset, node in enumerate(parsed.node):
        node.name = f"{prefix}/{offset}"
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = bound.get(name, f"{prefix}_{name}") if name else ""
        model.graph.node.insert(at + offset, node)
    added = list(model.graph.node[at : at + len(parsed.node)])
    return f"{prefix}_y", added


def _behind(model: onnx.ModelProto, values: set[str]) -> int:
    """Return the first index in the node order at which all of these values are computed."""
    makers = [i for i, node in enumerate(model.graph.node) if values & set(node.output)]
    return max(makers, default=-1) + 1
