"""Attention and MultiHeadAttention of ONNX Runtime, expanded to standard operators.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Attention
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.expansion import Expansion
from harness.evidence.twin.graph import Rewriting, attribute
from harness.evidence.twin.ranks import rank
from harness.evidence.twin.rotary import join_heads, split_heads

_MASKED = -10000.0


def rewrite_attention(work: Rewriting, node: ir.Node) -> None:
    """Expand Attention, whose one product makes queries, keys and values."""
    op = Expansion(work, node)
    sizes = _hidden_sizes(op)
    is_special = attribute(node, "do_rotary", 0) or op.has(6) or op.uses(2)
    mask_axes = rank(op.input(3)) if op.has(3) else 0
    if sizes is None or is_special or mask_axes not in {0, 1, 2, 3}:
        return
    projected = op("MatMul", op.input(0), op.input(1))
    if op.has(2):
        projected = op("Add", projected, op.input(2))
    count, start, heads = int(attribute(node, "num_heads", 1)), 0, []
    for size in sizes:
        part = op.slice(projected, [start], [start + size], axis=2)
        heads.append(split_heads(op, part, count))
        start += size
    query, key, value = heads
    added = op.size(key, 2)
    if op.has(4):
        past = op.input(4)
        key, value = (
            op("Concat", op("Gather", past, index, axis=0), new, axis=2)
            for index, new in enumerate((key, value))
        )
    if op.uses(1):
        parts = [op.unsqueezed(one, 0) for one in (key, value)]
        op.finish(None, op("Concat", *parts, axis=0))
    biases = [*_masks(op, query, key, added, mask=3), *_given(op, 5)]
    op.finish(join_heads(op, attend(op, (query, key, value), biases)))


def _hidden_sizes(op: Expansion) -> tuple[int, int, int] | None:
    """Return the widths of queries, keys and values; None if they are unknown."""
    stated = attribute(op.node, "qkv_hidden_sizes", ())
    if stated:
        return int(stated[0]), int(stated[1]), int(stated[2])
    weights = op.input(1)
    width = None if weights is None or weights.shape is None else weights.shape[1]
    return (width // 3, width // 3, width // 3) if isinstance(width, int) else None


def rewrite_multi_head(work: Rewriting, node: ir.Node) -> None:
    """Expand MultiHeadAttention. Keys and values may be a cache that is complete."""
    op = Expansion(work, node)
    query, key, value = (op.input(index) for index in range(3))
    axes, mask_axes = rank(key), rank(op.input(4)) if op.has(4) else 0
    is_special = op.has(8) or op.has(9) or op.uses(3) or rank(query) != 3
    if axes not in {3, 4} or is_special or mask_axes not in {0, 1, 2, 3}:
        return
    assert query is not None
    assert key is not None
    assert value is not None
    if op.has(3):
        query, key, value = _with_bias(op, query, key, value)
    count = int(attribute(node, "num_heads", 1))
    query = split_heads(op, query, count)
    if axes == 3:
        key, value = split_heads(op, key, count), split_heads(op, value, count)
    added = op.size(key, 2)
    if op.has(6):
        key, value = (
            op("Concat", op.input(index), new, axis=2) for index, new in ((6, key), (7, value))
        )
    op.finish(None, key, value)
    biases = [*_masks(op, query, key, added, mask=4), *_given(op, 5)]
    op.finish(join_heads(op, attend(op, (query, key, value), biases)))


def _with_bias(op: Expansion, *values: ir.Value) -> list[ir.Value]:
    """Add to queries, keys and values their parts of one bias."""
    start: ir.Value | list[int] = [0]
    results = []
    for value in values:
        width = op.size(value, 2)
        end = width if start == [0] else op("Add", start, width)
        results.append(op("Add", value, op.slice(op.input(3), start, end, axis=0)))
        start = end
    return results


def attend(
    op: Expansion, heads: tuple[ir.Value, ir.Value, ir.Value], biases: Iterable[ir.Value]
) -> ir.Value:
    """Return softmax(query key^T * scale + biases) value, for (batch, head, position, width)."""
    query, key, value = heads
    scores = scaled_scores(op, query, key)
    for bias in biases:
        scores = op("Add", scores, bias)
    return op("MatMul", op("Softmax", scores, axis=-1), value)


def scaled_scores(op: Expansion, query: ir.Value, key: ir.Value) -> ir.Value:
    """Return query key^T times the scale that the node states, or the root of the width."""
    product = op("MatMul", query, op("Transpose", key, perm=(0, 1, 3, 2)))
    scale = float(attribute(op.node, "scale", 0.0))
    if scale:
        return op("Mul", product, scale)
    width = op("Cast", op.size(query, 3), to=int(ir.DataType.FLOAT))
    return op("Div", product, op("Sqrt", width))


def _given(op: Expansion, index: int) -> list[ir.Value]:
    value = op.input(index)
    return [] if value is None else [value]


def _masks(
    op: Expansion, query: ir.Value, key: ir.Value, added: ir.Value, *, mask: int
) -> list[ir.Value]:
    """Return what is added to scores where the mask hides keys, or where keys come later."""
    filtered = float(attribute(op.node, "mask_filter_value", _MASKED))
    hidden = []
    if attribute(op.node, "unidirectional", 0):
        total = op.size(key, 2)
        first = op("Sub", total, added)
        rows = arange(op, first, op("Add", first, op.size(query, 2)))
        hidden.append(op("Greater", arange(op, [0], total), op.shaped(rows, -1, 1)))
    given = op.input(mask)
    if given is not None:
        hidden.append(op("Not", _shown(op, given, key)))
    return [op("Where", one, filtered, 0.0) for one in hidden]


def _shown(op: Expansion, mask: ir.Value, key: ir.Value) -> ir.Value:
    """Return where a mask shows keys, as a value that broadcasts to scores.

    A mask is given for keys, for queries and keys, or as the end of each row, with or without its
    start.
    """
    axes = rank(mask)
    if axes != 1:
        dims = (0, 1, 1, -1) if axes == 2 else (0, 1, op.size(mask, 1), -1)
        return op("Greater", op.shaped(mask, *dims), np.int32(0))
    batch = op.size(key, 0)
    bounds = op("Cast", mask, to=int(ir.DataType.INT64))
    filled = op("Concat", bounds, op("Expand", 0, batch), axis=0)
    ends = op.slice(filled, [0], batch, axis=0)
    starts = op.slice(filled, batch, op("Add", batch, batch), axis=0)
    places = arange(op, [0], op.size(key, 2))
    early = op("Less", places, op.shaped(ends, -1, 1, 1, 1))
    return op("And", early, op("Not", op("Less", places, op.shaped(starts, -1, 1, 1, 1))))


def arange(op: Expansion, start: ir.Value | list[int], end: ir.Value | list[int]) -> ir.Value:
    """Return the integers from `start` on, before `end`, both tensors of one number."""
    return op("Range", op("Reshape", start, ()), op("Reshape", end, ()), 1)
