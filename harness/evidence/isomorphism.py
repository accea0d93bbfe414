"""Compare two graphs, ignoring the names of their values, and find where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

SHOWN_NUMBERS = 6

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A place, such as an input of a node or an output, and the content of each graph there."""

    place: str
    sides: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Step:
    """One node in comparable form: constants by content, other values by their source node."""

    place: str
    kind: str
    details: Mapping[str, Key]


def graph_differences(first: onnx.ModelProto, second: onnx.ModelProto) -> Iterator[Difference]:
    """Yield where operators, attributes, constants or connections differ, in order of the nodes.

    Both models must have their external data loaded. Names of values and nodes, dims, documentation
    and metadata are ignored; a constant may be a node or an initializer. The comparison ends at the
    first node with another operator, since the nodes after it no longer correspond.
    """
    sides = [_steps(model.graph, {}) for model in (first, second)]
    for one, other in zip_longest(*sides):
        if one is None or other is None or one.kind != other.kind:
            place = (one or other).place
            yield Difference(place, (_kind(one), _kind(other)))
            return
        for name in {**one.details, **other.details}:
            got, expected = one.details.get(name), other.details.get(name)
            if got != expected:
                yield Difference(f"{name} of {one.place}", (_shown(got), _shown(expected)))


def _kind(step: _Step | None) -> str:
    return step.kind if step else "nothing"


def _steps(graph: onnx.GraphProto, outer: Mapping[str, Key]) -> list[_Step]:
    """Return the nodes of a graph and, last, its outputs.

    `outer` holds the values of the graphs around a subgraph.
    """
    values = {**outer, **dict(_graph_values(graph))}
    steps: list[_Step] = []
    for node in graph.node:
        constant = _constant(node)
        if constant is not None:
            values[node.output[0]] = constant
            continue
        values |= {name: ("node", len(steps), slot) for slot, name in enumerate(node.output)}
        steps.append(
            _Step(
                place=f"node {node.name or len(steps)} ({node.op_type})",
                kind=f"{node.domain}::{node.op_type}" if node.domain else node.op_type,
                details=dict(_details(node, values)),
            )
        )
    names = [value.name for value in graph.output]
    outputs = {f"output {index}": values.get(name, ()) for index, name in enumerate(names)}
    return [*steps, _Step("the graph", "the end", outputs)]


def _graph_values(graph: onnx.GraphProto) -> Iterator[tuple[str, Key]]:
    for index, value in enumerate(graph.input):
        yield value.name, ("input", index)
    for tensor in graph.initializer:
        yield tensor.name, _content(tensor)
    for sparse in graph.sparse_initializer:
        yield sparse.values.name, ("sparse", sparse.SerializeToString(deterministic=True))


def _constant(node: onnx.NodeProto) -> Key | None:
    """Return the value of a Constant node; None for any other node."""
    if node.op_type != "Constant" or node.domain not in {"", "ai.onnx"}:
        return None
    (attribute,) = node.attribute
    if attribute.HasField("t"):
        return _content(attribute.t)
    return ("constant", attribute.name, *_attribute(attribute, {}))


def _details(node: onnx.NodeProto, values: Mapping[str, Key]) -> Iterator[tuple[str, Key]]:
    for index, name in enumerate(node.input):
        yield f"input {index}", values.get(name, ("none",))
    for attribute in node.attribute:
        yield f"attribute {attribute.name}", _attribute(attribute, values)


def _attribute(attribute: onnx.AttributeProto, values: Mapping[str, Key]) -> Key:
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    several = value if isinstance(value, Sequence) and not isinstance(value, bytes) else [value]
    return tuple(_plain(one, values) for one in several)


def _plain(value: Any, values: Mapping[str, Key]) -> Any:
    import onnx

    match value:
        case onnx.GraphProto():
            return tuple((s.kind, tuple(s.details.items())) for s in _steps(value, values))
        case onnx.TensorProto():
            return _content(value)
        case int() | float() | bytes():
            return value
        case _:
            return value.SerializeToString(deterministic=True)


def _content(tensor: onnx.TensorProto) -> Key:
    from onnx import numpy_helper

    array = numpy_helper.to_array(tensor)
    return ("constant", str(array.dtype), array.shape, array.tobytes())


def _shown(key: Key | None) -> str:
    """Describe a constant by its first numbers, a connection by its source."""
    import numpy as np

    match key:
        case ("constant", str() as dtype, tuple() as shape, bytes() as data):
            numbers = np.frombuffer(data, dtype).tolist()
            more = ", ..." if len(numbers) > SHOWN_NUMBERS else ""
            listed = ", ".join(f"{number:g}" for number in numbers[:SHOWN_NUMBERS])
            return f"{dtype}{list(shape)} of {listed}{more}"
        case None:
            return "nothing"
        case _:
            return " ".join(map(str, key))
