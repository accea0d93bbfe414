"""GroupQueryAttention of ONNX Runtime, expanded to standard operators.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GroupQueryAttention
"""

from __future__ import annotations

import itertools

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.attention import arange, scaled_scores
from harness.evidence.twin.expansion import Expansion
from harness.evidence.twin.graph import Rewriting, attribute
from harness.evidence.twin.rotary import join_heads, rotate, split_heads

_LOWEST = float(np.finfo(np.float32).min)
_INT64 = int(ir.DataType.INT64)


def rewrite_grouped(work: Rewriting, node: ir.Node) -> None:
    """Expand GroupQueryAttention.

    Each row has its own number of tokens, `seqlens_k` + 1. The new ones follow the row's past, so
    the present of a short row ends before its last place.
    """
    op = Expansion(work, node)
    is_quantised = op.has(12) or op.has(13) or attribute(node, "kv_cache_bit_width", 0)
    if is_quantised or op.uses(3) or op.input(5) is None or op.input(6) is None:
        return
    query, key, value = _heads(op)
    length = op.size(query, 2)
    past = _past_lengths(op, length)
    positions = op("Add", op.shaped(past, -1, 1), arange(op, [0], length))
    if attribute(node, "do_rotary", 0):
        tables = (op.input(7), op.input(8))
        places = _given_positions(op, length) or _within(op, positions, tables[0])
        query, key = (
            rotate(op, one, tables, places, interleaved="rotary_interleaved")
            for one in (query, key)
        )
    present = [_present(op, new, past, cache) for new, cache in ((key, 3), (value, 4))]
    op.finish(None, *present)
    repeated = [_repeat(op, one) for one in present]
    scores = _softcapped(op, scaled_scores(op, query, repeated[0]))
    if op.has(10):
        scores = op("Add", scores, op.input(10))
    scores = op("Where", _shown(op, positions, op.size(present[0], 2)), scores, _LOWEST)
    op.finish(join_heads(op, op("MatMul", _probabilities(op, scores), repeated[1])))


def _heads(op: Expansion) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Return queries, keys and values by head. All may be side by side in the first input."""
    count, shared = (int(attribute(op.node, name, 1)) for name in ("num_heads", "kv_num_heads"))
    query, key, value = (op.input(index) for index in range(3))
    assert query is not None
    if key is not None and value is not None:
        return (
            split_heads(op, query, count),
            split_heads(op, key, shared),
            split_heads(op, value, shared),
        )
    heads = split_heads(op, query, count + 2 * shared)
    ends = (0, count, count + shared, count + 2 * shared)
    parts = [op.slice(heads, [a], [b], axis=1) for a, b in itertools.pairwise(ends)]
    return parts[0], parts[1], parts[2]


def _past_lengths(op: Expansion, length: ir.Value) -> ir.Value:
    """Return how many tokens of the past each row has: 0 if all tokens are new."""
    counts = op("Cast", op("Reshape", op.input(5), [-1]), to=_INT64)
    before = op("Sub", op("Add", counts, [1]), length)
    return op("Where", _is_prompt(op, length), [0], before)


def _is_prompt(op: Expansion, length: ir.Value) -> ir.Value:
    """Return whether all tokens are new."""
    return op("Equal", op("Cast", op("Reshape", op.input(6), [-1]), to=_INT64), length)


def _given_positions(op: Expansion, length: ir.Value) -> ir.Value | None:
    """Return the positions that a user feeds. In a prompt, the operator reads the first alone."""
    given = op.input(9)
    if given is None:
        return None
    first = op.slice(op("Reshape", given, [-1]), [0], [1], axis=0)
    following = op.shaped(op("Add", first, arange(op, [0], length)), 1, -1)
    return op("Where", _is_prompt(op, length), following, given)


def _within(op: Expansion, positions: ir.Value, table: ir.Value | None) -> ir.Value:
    """Limit positions to the table. Only padding is beyond it."""
    assert table is not None
    last = op("Sub", op.size(table, 0), [1])
    low = op("Where", op("Less", positions, [0]), [0], positions)
    return op("Where", op("Less", last, low), last, low)


def _present(op: Expansion, new: ir.Value, past: ir.Value, cache: int) -> ir.Value:
    """Return the cache with the new tokens after each row's past, and zeros after them."""
    total = op("Cast", op("Reshape", op.input(6), [-1]), to=_INT64)
    given, size = op.input(cache), total
    held: ir.Value | list[int] = [0]
    if given is not None:
        held = op.size(given, 2)
        size = op("Where", op("Less", held, total), total, held)
    places, starts = arange(op, [0], size), op.shaped(past, -1, 1)
    is_past = op("Less", places, starts)
    shifted = op("Sub", op("Add", places, held), starts)
    source = op("Where", is_past, places, shifted)
    joined = new if given is None else op("Concat", given, new, axis=2)
    last = op("Sub", op.size(joined, 2), [1])
    is_beyond = op("Less", last, source)
    index = op.shaped(op("Where", is_beyond, last, source), 0, 1, -1, 1)
    shape = op(
        "Concat", op("Slice", op("Shape", joined), [0], [2]), size, op.size(joined, 3), axis=0
    )
    gathered = op("GatherElements", joined, op("Expand", index, shape), axis=2)
    return op("Where", op.shaped(is_beyond, 0, 1, -1, 1), 0.0, gathered)


def _repeat(op: Expansion, heads: ir.Value) -> ir.Value:
    """Repeat each head of keys or values for the queries that share it."""
    count, shared = (int(attribute(op.node, name, 1)) for name in ("num_heads", "kv_num_heads"))
    return op("Gather", heads, np.arange(count) // (count // shared), axis=1)


def _softcapped(op: Expansion, scores: ir.Value) -> ir.Value:
    cap = float(attribute(op.node, "softcap", 0.0))
    return op("Mul", op("Tanh", op("Div", scores, cap)), cap) if cap else scores


def _shown(op: Expansion, positions: ir.Value, size: ir.Value) -> ir.Value:
    """Return which keys a query sees: in its window, and not after it."""
    keys, queries = arange(op, [0], size), op.shaped(positions, 0, 1, -1, 1)
    shown = op("Not", op("Greater", keys, queries))
    window = int(attribute(op.node, "local_window_size", -1))
    if window < 0:
        return shown
    return op("And", shown, op("Greater", op("Add", keys, [window]), queries))


def _probabilities(op: Expansion, scores: ir.Value) -> ir.Value:
    """Return the softmax. A sink is one more score that has no value."""
    sink = op.input(11)
    if sink is None and not attribute(op.node, "smooth_softmax", 0):
        return op("Softmax", scores, axis=-1)
    column = 0.0 if sink is None else op.shaped(sink, 1, -1, 1, 1)
    rows = op("Concat", op("Slice", op("Shape", scores), [0], [3]), [1], axis=0)
    extended = op("Concat", scores, op("Expand", column, rows), axis=3)
    return op.slice(op("Softmax", extended, axis=-1), [0], op.size(scores, 3), axis=3)
