"""Rotary embeddings as RotaryEmbedding and GroupQueryAttention of ONNX Runtime compute them.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.RotaryEmbedding
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.expansion import Expansion
from harness.evidence.twin.graph import Rewriting, attribute
from harness.evidence.twin.ranks import rank

_TO_HEADS = (0, 2, 1, 3)
_END = np.iinfo(np.int64).max


def rewrite_rotary(work: Rewriting, node: ir.Node) -> None:
    """Expand RotaryEmbedding, of heads on an axis of their own or side by side."""
    op = Expansion(work, node)
    source, positions, cos_table, sin_table = (op.input(index) for index in range(4))
    axes, places = rank(source), rank(positions)
    is_special = attribute(node, "is_packed_batching", 0) or attribute(node, "scale", 1.0) != 1
    if axes not in {3, 4} or places not in {1, 2} or is_special or cos_table is None:
        return
    assert source is not None
    assert positions is not None
    heads = source if axes == 4 else _split(op, source, cos_table)
    if places == 1:
        positions = _following(op, positions, op.size(heads, 2))
    result = rotate(op, heads, (cos_table, sin_table), positions)
    op.finish(result if axes == 4 else join_heads(op, result))


def _split(op: Expansion, value: ir.Value, cos_table: ir.Value) -> ir.Value:
    count = int(attribute(op.node, "num_heads", 0))
    if count:
        return split_heads(op, value, count)
    width = op("Mul", op.size(cos_table, 1), [2])
    return op("Transpose", op.shaped(value, 0, 0, -1, width), perm=_TO_HEADS)


def _following(op: Expansion, first: ir.Value, count: ir.Value) -> ir.Value:
    """Return `count` positions from the first one on, as one row."""
    start = op("Cast", op("Reshape", first, ()), to=int(ir.DataType.INT64))
    end = op("Add", start, op("Reshape", count, ()))
    return op("Reshape", op("Range", start, end, 1), [1, -1])


def rotate(
    op: Expansion,
    heads: ir.Value,
    tables: tuple[ir.Value | None, ir.Value | None],
    positions: ir.Value,
    *,
    interleaved: str = "interleaved",
) -> ir.Value:
    """Rotate (batch, head, position, width) by the rows of cos and sin that positions name.

    Only the first places of the width are rotated, twice as many as the tables have. `interleaved`
    is the attribute that says whether neighbours form a pair, not halves.
    """
    cos, sin = (op.unsqueezed(op("Gather", table, positions), 1) for table in tables)
    half = op.size(cos, 3)
    whole = op("Add", half, half)
    turned, rest = op.slice(heads, [0], whole, axis=3), op.slice(heads, whole, [_END], axis=3)
    if attribute(op.node, interleaved, 0):
        first, second = (op("Slice", turned, [start], [_END], [3], [2]) for start in (0, 1))
    else:
        first = op.slice(turned, [0], half, axis=3)
        second = op.slice(turned, half, whole, axis=3)
    parts = (
        op("Sub", op("Mul", first, cos), op("Mul", second, sin)),
        op("Add", op("Mul", first, sin), op("Mul", second, cos)),
    )
    if attribute(op.node, interleaved, 0):
        columns = [op.unsqueezed(part, 4) for part in parts]
        joined = op.shaped(op("Concat", *columns, axis=4), 0, 0, 0, -1)
    else:
        joined = op("Concat", *parts, axis=3)
    return op("Concat", joined, rest, axis=3)


def split_heads(op: Expansion, value: ir.Value, count: int) -> ir.Value:
    """Return (batch, position, heads side by side) as (batch, head, position, width)."""
    return op("Transpose", op.shaped(value, 0, 0, count, -1), perm=_TO_HEADS)


def join_heads(op: Expansion, heads: ir.Value) -> ir.Value:
    """Return (batch, head, position, width) as (batch, position, heads side by side)."""
    return op.shaped(op("Transpose", heads, perm=_TO_HEADS), 0, 0, -1)
