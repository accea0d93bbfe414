"""How many axes a value has, where the file states it or its nodes imply it."""

from __future__ import annotations

import onnx_ir as ir

from harness.evidence.twin.graph import attribute

_LIKE_FIRST = {
    *("Cast", "Identity", "Relu", "Sigmoid", "Tanh", "Erf", "Softmax", "Transpose", "Slice"),
    *("Concat", "Split", "LayerNormalization", "SimplifiedLayerNormalization"),
    *("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "RotaryEmbedding"),
    *("Gelu", "BiasGelu", "FastGelu", "QuickGelu", "MatMulNBits", "MatMulBnb4"),
    *("Attention", "MultiHeadAttention", "GroupQueryAttention"),
}
"""Operators whose outputs have as many axes as their first input."""
_BROADCAST = {"Add", "Sub", "Mul", "Div", "Pow", "Where", "Equal", "MatMul", "FusedMatMul"}
"""Operators whose output has as many axes as the input with most of them."""


def rank(value: ir.Value | None) -> int | None:
    """Return the number of axes; None if it is unknown."""
    if value is None:
        return None
    if value.shape is not None:
        return len(value.shape)
    node = value.producer()
    if node is None or not node.inputs:
        return None
    if node.op_type in _LIKE_FIRST:
        return rank(node.inputs[0])
    if node.op_type in _BROADCAST:
        known = [rank(one) for one in node.inputs]
        return None if None in known else max(one for one in known if one is not None)
    if node.op_type == "Reshape":
        return _length(node.inputs[1])
    if node.op_type == "Gather":
        first, second = rank(node.inputs[0]), rank(node.inputs[1])
        return None if first is None or second is None else first + second - 1
    return 3 if node.op_type == "EmbedLayerNormalization" else _reduced(node)


def _length(value: ir.Value | None) -> int | None:
    """Return the size of a tensor with one axis."""
    if value is None:
        return None
    shape = value.shape if value.const_value is None else value.const_value.shape
    size = None if shape is None or len(shape) != 1 else shape[0]
    return size if isinstance(size, int) else None


def _reduced(node: ir.Node) -> int | None:
    """Return the rank after a reduction over axes that the node states."""
    before, axes = rank(node.inputs[0]), attribute(node, "axes", None)
    count = len(axes) if axes is not None else None
    if count is None and len(node.inputs) > 1:
        count = _length(node.inputs[1])
    if not node.op_type.startswith("Reduce") or before is None:
        return None
    if attribute(node, "keepdims", 1):
        return before
    return None if count is None else before - count
