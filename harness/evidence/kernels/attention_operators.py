"""Definitions of the attention operators of com.microsoft, for the inputs that exports use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import Call, NoReferenceError
from harness.evidence.kernels.fused_operators import (
    join_heads,
    needed,
    optional,
    rotate,
    split_heads,
)

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]
    Inputs = Sequence[Array | None]

_BEYOND = {"GroupQueryAttention": range(11, 17), "MultiHeadAttention": (3, 8, 9)}
"""Inputs that are not supported: sinks, quantised caches, biases, shared buffers and others."""


def rounded_group_query_attention(call: Call, inputs: Inputs) -> list[Array | None]:
    """Return `group_query_attention` with rotated queries and keys in the type of the result."""
    return group_query_attention(call, inputs, rotated_type=call.dtypes[0])


def group_query_attention(
    call: Call, inputs: Inputs, *, rotated_type: np.dtype[Any] | None = None
) -> list[Array | None]:
    """Return the attention of grouped heads, and the keys and values with the past before them.

    If `rotated_type` is given, rotated queries and keys are rounded to it: a kernel may store them.
    """
    _refuse_other_inputs(call, inputs)
    size, queries, keys, values = _grouped(call, inputs)
    past = optional(inputs, 3)
    before = 0 if past is None else past.shape[2]
    length = queries.shape[2]
    if (needed(inputs, 5) + 1 != before + length).any():
        raise NoReferenceError("its rows have different lengths, or its cache has empty places")
    if call.attribute("do_rotary", 0):
        rotated = _rotated(call, inputs, (queries, keys), before)
        kept = [p if rotated_type is None else p.astype(rotated_type) for p in rotated]
        queries, keys = (part.astype(queries.dtype) for part in kept)
    keys, values = _after(past, keys), _after(optional(inputs, 4), values)
    places = np.arange(before, before + length)[:, None] - np.arange(before + length)
    window = int(call.attribute("local_window_size", -1))
    hidden = (places < 0) if call.attribute("causal", 1) else np.zeros(places.shape, bool)
    hidden = hidden | ((places >= window) if window > 0 else False)
    group = queries.shape[1] // keys.shape[1]
    scores = _scores(call, queries, keys.repeat(group, axis=1), size)
    softcap = float(call.attribute("softcap", 0.0))
    scores = softcap * np.tanh(scores / softcap) if softcap else scores
    bias = optional(inputs, 10)
    scores = np.where(hidden, -np.inf, scores if bias is None else scores + bias)
    result = np.matmul(_softmax(scores), values.repeat(group, axis=1))
    return [join_heads(result), keys, values]


def multi_head_attention(call: Call, inputs: Inputs) -> list[Array | None]:
    """Return the attention of heads, and the keys and values with the past before them."""
    _refuse_other_inputs(call, inputs)
    count = int(call.attribute("num_heads"))
    parts = [needed(inputs, index) for index in range(3)]
    if any(part.ndim not in (3, 4) for part in parts) or parts[0].ndim != 3:
        raise NoReferenceError("packed queries, keys or values are not supported")
    size = parts[0].shape[-1] // count
    queries, keys, values = (
        part if part.ndim == 4 else split_heads(part, part.shape[-1] // count) for part in parts
    )
    keys, values = _after(optional(inputs, 6), keys), _after(optional(inputs, 7), values)
    scores = _scores(call, queries, keys, size)
    bias, mask = optional(inputs, 5), optional(inputs, 4)
    scores = scores if bias is None else scores + bias
    if mask is not None:
        scores = scores + _mask_bias(call, mask, scores)
    if call.attribute("unidirectional", 0):
        places = np.arange(queries.shape[2])[:, None] - np.arange(keys.shape[2])
        scores = np.where(places + keys.shape[2] - queries.shape[2] < 0, -np.inf, scores)
    return [join_heads(np.matmul(_softmax(scores), values)), keys, values]


def _grouped(call: Call, inputs: Inputs) -> tuple[int, Array, Array, Array]:
    """Return the size of a head, and queries, keys and values as heads."""
    heads, kept = int(call.attribute("num_heads")), int(call.attribute("kv_num_heads"))
    packed, keys, values = needed(inputs, 0), optional(inputs, 1), optional(inputs, 2)
    if keys is not None and values is not None:
        size = packed.shape[-1] // heads
        return size, *(split_heads(part, size) for part in (packed, keys, values))
    size = packed.shape[-1] // (heads + 2 * kept)
    whole = split_heads(packed, size)
    return size, whole[:, :heads], whole[:, heads : heads + kept], whole[:, heads + kept :]


def _rotated(
    call: Call, inputs: Inputs, parts: tuple[Array, Array], before: int
) -> tuple[Array, Array]:
    caches = (needed(inputs, 7), needed(inputs, 8))
    batch, _, length, _ = parts[0].shape
    given = optional(inputs, 9)
    positions = np.arange(before, before + length)[None].repeat(batch, axis=0)
    positions = positions if given is None else given.astype(np.int64)
    is_interleaved = bool(call.attribute("rotary_interleaved", 0))
    first, second = (
        rotate(part, caches, positions, is_interleaved=is_interleaved) for part in parts
    )
    return first, second


def _scores(call: Call, queries: Array, keys: Array, size: int) -> Array:
    scale = float(call.attribute("scale", 0.0)) or 1 / math.sqrt(size)
    scores: Array = np.matmul(queries, keys.swapaxes(-1, -2)) * scale
    return scores


def _mask_bias(call: Call, mask: Array, scores: Array) -> Array:
    if mask.ndim != 2 or mask.shape != (scores.shape[0], scores.shape[-1]):
        raise NoReferenceError("its key padding mask has another form than (batch, keys)")
    filled = float(call.attribute("mask_filter_value", -10000.0))
    return np.where(mask != 0, 0.0, filled).astype(scores.dtype)[:, None, None, :]


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def _after(past: Array | None, present: Array) -> Array:
    return present if past is None else np.concatenate([past, present], axis=2)


def _refuse_other_inputs(call: Call, inputs: Inputs) -> None:
    used = [n for n in _BEYOND[call.node.op_type] if optional(inputs, n) is not None]
    asked = [
        name
        for name in ("smooth_softmax", "qk_output", "sliding_window_cache", "kv_cache_bit_width")
        if call.attribute(name, 0)
    ]
    if used or asked:
        raise NoReferenceError(f"inputs {used} and attributes {asked} are not supported")
