"""Float16 and bfloat16 graphs widened to float32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.constants import restore
from harness.evidence.twin.forms import decode_float
from harness.evidence.twin.graph import Rewriting, all_nodes, operator
from harness.evidence.twin.weights import StoredWeight, float_name

HALVES = frozenset({ir.DataType.FLOAT16, ir.DataType.BFLOAT16})
_TYPE_ATTRIBUTES = (
    "to",
    "dtype",
    "output_dtype",
    "output_datatype",
    "stash_type",
    "softmax_precision",
)
"""Attributes of any operator that hold an element type."""


def widen(work: Rewriting) -> dict[str, int]:
    """Give all float16 and bfloat16 values of a model the type float32.

    Return how many nodes of each operator stated such a type. Weights keep their values, and so do
    infinities and masks such as -65504. Other constants become the numbers that they round.
    """
    counts: dict[str, int] = {}
    for graph in work.model.graphs():
        for value in (*graph.inputs, *graph.outputs, *graph.initializers.values()):
            _widen_type(value)
        for value in list(graph.initializers.values()):
            _widen_initializer(work, value)
    for node in all_nodes(work.model):
        for value in node.outputs:
            _widen_type(value)
        if sum(_widen_attribute(work, node, one) for one in list(node.attributes.values())):
            counts[operator(node)] = counts.get(operator(node), 0) + 1
    return counts


def has_half_attribute(node: ir.Node) -> bool:
    """Whether an attribute of a node states a half type or holds numbers of one."""
    return any(_is_half(one) for one in node.attributes.values())


def _is_half(attribute: ir.Attr) -> bool:
    if attribute.type == ir.AttributeType.INT:
        return attribute.name in _TYPE_ATTRIBUTES and attribute.value in HALVES
    is_tensor = attribute.type == ir.AttributeType.TENSOR
    return is_tensor and attribute.as_tensor().dtype in HALVES


def _widen_type(value: ir.Value) -> None:
    if value.type is not None:
        _widen_element(value.type)


def _widen_element(type_: ir.TypeProtocol) -> None:
    """Change the element type of a tensor, and of sequences and optional values of tensors."""
    if type_.dtype in HALVES:
        type_.dtype = ir.DataType.FLOAT


def _widen_initializer(work: Rewriting, value: ir.Value) -> None:
    tensor = value.const_value
    if tensor is not None and tensor.dtype in HALVES:
        value.const_value = _widened(work, tensor, value)


def _widen_attribute(work: Rewriting, node: ir.Node, attribute: ir.Attr) -> bool:
    """Change an attribute that holds a half type or numbers of one; return whether it did."""
    if attribute.type == ir.AttributeType.TYPE_PROTO:
        _widen_element(attribute.value.type)
    if not _is_half(attribute):
        return False
    if attribute.type == ir.AttributeType.INT:
        widened = ir.AttrInt64(attribute.name, int(ir.DataType.FLOAT))
    else:
        content = _widened(work, attribute.as_tensor(), node.outputs[0])
        widened = ir.AttrTensor(attribute.name, content)
    node.attributes[attribute.name] = widened
    return True


def _widened(work: Rewriting, tensor: ir.TensorProtocol, value: ir.Value) -> ir.TensorProtocol:
    """Return float32 numbers. A single one is a constant, unless it is a parameter of the model."""
    stored = stored_float(tensor, value.name or "")
    if tensor.size > 1 or stored.name in work.parameters:
        work.weights[value] = stored
        return ir.LazyTensor(
            lambda: ir.Tensor(stored.values),
            dtype=ir.DataType.FLOAT,
            shape=ir.Shape(tensor.shape.numpy()),
            name=tensor.name,
        )
    content = stored.values
    restored = restore(float(content.item()), stored.form) if content.size else None
    if restored is not None:
        note = f"{stored.form} constants of {content.item():g} are taken as {restored.text}"
        work.notes += [] if note in work.notes else [note]
        content = np.full_like(content, restored.number)
    return ir.Tensor(content, name=tensor.name)


def stored_float(tensor: ir.TensorProtocol, name: str) -> StoredWeight:
    """Return a weight that is stored as floats without scales."""
    form = str(np.dtype(tensor.dtype.numpy()).name)
    return StoredWeight(
        name=float_name(name),
        initializer=name,
        form=form,
        decode=lambda: decode_float(np.asarray(tensor.numpy()), form),
    )


def plain_weights(work: Rewriting) -> Iterator[tuple[ir.Value, StoredWeight]]:
    """Yield the float32 initializers of several numbers that no rewrite made."""
    for graph in work.model.graphs():
        for value in graph.initializers.values():
            tensor = value.const_value
            if value in work.weights or tensor is None:
                continue
            if tensor.size < 2 and value.name not in work.parameters:
                continue
            if tensor.dtype == ir.DataType.FLOAT:
                yield value, stored_float(tensor, value.name or "")
