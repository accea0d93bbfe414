"""One call of a node, as a reference sees it: attributes, inputs and the dtypes of outputs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import one_line

if TYPE_CHECKING:
    import onnx

    Array = np.ndarray[Any, Any]

_SHOWN = 160


class NoReferenceError(Exception):
    """The definition of an operator is not available for this call; the text says why."""


@dataclass(frozen=True, slots=True)
class Call:
    """A node with the arrays that it read, None for an omitted input, and the types it returned.

    `dtypes` has None for an omitted output. `opsets` is domain -> imported version.
    """

    node: onnx.NodeProto
    inputs: tuple[Array | None, ...]
    dtypes: tuple[np.dtype[Any] | None, ...]
    opsets: Mapping[str, int] = field(default_factory=dict)

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return the value of an attribute, or `default` if the node does not have it."""
        from onnx import helper

        for attribute in self.node.attribute:
            if attribute.name == name:
                return helper.get_attribute_value(attribute)
        return default

    def needed(self, index: int) -> Array:
        """Return an input that the operator needs; raises NoReferenceError if it is omitted."""
        value = self.optional(index)
        if value is None:
            raise NoReferenceError(f"input {index} is missing")
        return value

    def optional(self, index: int) -> Array | None:
        """Return an input, or None if it is omitted."""
        return self.inputs[index] if index < len(self.inputs) else None

    def wide(self, index: int) -> Array:
        """Return a needed input in float64."""
        return self.needed(index).astype(np.float64)


def evaluate_standard(
    call: Call, inputs: Sequence[Array | None], *, operator: str | None = None
) -> list[Array]:
    """Return the outputs that onnx's reference evaluator computes from `inputs` for one node.

    The evaluator computes in the types of the inputs, so float64 inputs give float64 results.
    `operator` runs another operator of ai.onnx with the node's attributes. Raises NoReferenceError
    if the evaluator lacks the operator, or fails.
    """
    from onnx.reference import ReferenceEvaluator

    model = _single_node(call, inputs, operator)
    feed = {f"i{n}": value for n, value in enumerate(inputs) if value is not None}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return [np.asarray(value) for value in ReferenceEvaluator(model).run(None, feed)]
    except Exception as error:  # each operator raises its own kinds of exceptions
        reason = f"{type(error).__name__}: {one_line(error)}"[:_SHOWN]
        raise NoReferenceError(f"onnx's reference evaluator fails: {reason}") from error


def _single_node(
    call: Call, inputs: Sequence[Array | None], operator: str | None
) -> onnx.ModelProto:
    import onnx
    from onnx import helper

    node = onnx.NodeProto()
    node.CopyFrom(call.node)
    node.input[:] = ["" if value is None else f"i{n}" for n, value in enumerate(inputs)]
    if operator is not None:
        node.op_type, node.domain = operator, ""
        del node.output[1:]
    outputs = [name for name in node.output if name]
    graph = helper.make_graph(
        [node],
        "node",
        [onnx.ValueInfoProto(name=name) for name in node.input if name],
        [onnx.ValueInfoProto(name=name) for name in outputs],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in call.opsets.items()]
    return helper.make_model(graph, opset_imports=opsets)
