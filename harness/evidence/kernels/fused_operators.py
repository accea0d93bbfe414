"""Definitions of the fused operators of com.microsoft that half-precision files contain.

Each function takes the inputs in float64, or in float32, and returns the outputs in that type:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import Call, NoReferenceError

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]
    Inputs = Sequence[Array | None]


def needed(inputs: Inputs, index: int) -> Array:
    """Return an input; raises NoReferenceError if it is omitted."""
    value = optional(inputs, index)
    if value is None:
        raise NoReferenceError(f"input {index} is missing")
    return value


def optional(inputs: Inputs, index: int) -> Array | None:
    """Return an input, or None if it is omitted."""
    return inputs[index] if index < len(inputs) else None


def simplified_layer_normalization(call: Call, inputs: Inputs) -> list[Array | None]:
    """Return values divided by their root mean square, times a scale."""
    values = needed(inputs, 0)
    axis = int(call.attribute("axis", -1)) % values.ndim
    axes = tuple(range(axis, values.ndim))
    return [_by_root_mean_square(call, values, axes) * needed(inputs, 1)]


def skip_simplified_layer_normalization(call: Call, inputs: Inputs) -> list[Array | None]:
    """Return the normalised sum of two inputs and a bias, and in the fourth place the sum."""
    total = _sum(needed(inputs, 0), needed(inputs, 1), optional(inputs, 3))
    return [_by_root_mean_square(call, total, (-1,)) * needed(inputs, 2), None, None, total]


def skip_layer_normalization(call: Call, inputs: Inputs) -> list[Array | None]:
    """Return the normalised sum of two inputs and a bias, and in the fourth place the sum."""
    total = _sum(needed(inputs, 0), needed(inputs, 1), optional(inputs, 4))
    centred = total - total.mean(axis=-1, keepdims=True)
    normal = _by_root_mean_square(call, centred, (-1,)) * needed(inputs, 2)
    return [_sum(normal, optional(inputs, 3)), None, None, total]


def gelu(call: Call, inputs: Inputs) -> list[Array | None]:
    """Return x times the normal distribution function at x, for x plus an optional bias."""
    values = _sum(needed(inputs, 0), optional(inputs, 1))
    error = np.vectorize(math.erf, otypes=[values.dtype])(values / math.sqrt(2))
    return [0.5 * values * (1 + error)]


def fast_gelu(call: Call, inputs: Inputs) -> list[Array | None]:
    """Return the approximation of `gelu` by tanh."""
    values = _sum(needed(inputs, 0), optional(inputs, 1))
    inner = math.sqrt(2 / math.pi) * (values + 0.044715 * values**3)
    return [0.5 * values * (1 + np.tanh(inner))]


def quick_gelu(call: Call, inputs: Inputs) -> list[Array | None]:
    """Return x times the logistic function at alpha x."""
    values = needed(inputs, 0)
    with np.errstate(over="ignore"):
        return [values / (1 + np.exp(-float(call.attribute("alpha", 1.702)) * values))]


def fused_matmul(call: Call, inputs: Inputs) -> list[Array | None]:
    """Return alpha times a product of matrices, each of them transposed or not."""
    if call.attribute("transBatchA", 0) or call.attribute("transBatchB", 0):
        raise NoReferenceError("transposed batches are not supported")
    left, right = needed(inputs, 0), needed(inputs, 1)
    left = left.swapaxes(-1, -2) if call.attribute("transA", 0) and left.ndim > 1 else left
    right = right.swapaxes(-1, -2) if call.attribute("transB", 0) and right.ndim > 1 else right
    return [float(call.attribute("alpha", 1.0)) * np.matmul(left, right)]


def rotary_embedding(call: Call, inputs: Inputs) -> list[Array | None]:
    """Return values rotated by the angles of their positions."""
    values, caches = needed(inputs, 0), (needed(inputs, 2), needed(inputs, 3))
    if call.attribute("is_packed_batching", 0) or float(call.attribute("scale", 1.0)) != 1:
        raise NoReferenceError("packed batches and scales are not supported")
    heads = values
    if values.ndim == 3:
        count = int(call.attribute("num_heads", 0))
        size = values.shape[-1] // count if count else 2 * caches[0].shape[-1]
        heads = split_heads(values, size)
    length = heads.shape[2]
    positions = needed(inputs, 1).astype(np.int64)
    if positions.size == 1 and positions.ndim == 1:
        positions = positions.reshape(1, 1) + np.arange(length)
    rotated = rotate(
        heads, caches, positions, is_interleaved=bool(call.attribute("interleaved", 0))
    )
    return [rotated if values.ndim == 4 else join_heads(rotated)]


def rotate(
    heads: Array, caches: tuple[Array, Array], positions: Array, *, is_interleaved: bool
) -> Array:
    """Return heads (batch, heads, sequence, size) rotated by cosines and sines of positions.

    Values beyond twice the width of the caches stay as they are.
    """
    cosine, sine = (cache[positions][:, None] for cache in caches)
    width = 2 * cosine.shape[-1]
    turned, rest = heads[..., :width], heads[..., width:]
    if is_interleaved:
        first, second = turned[..., 0::2], turned[..., 1::2]
    else:
        first, second = turned[..., : width // 2], turned[..., width // 2 :]
    parts = (first * cosine - second * sine, second * cosine + first * sine)
    joined = (
        np.stack(parts, axis=-1).reshape(turned.shape)
        if is_interleaved
        else np.concatenate(parts, axis=-1)
    )
    return np.concatenate([joined, rest], axis=-1)


def split_heads(values: Array, size: int) -> Array:
    """Return (batch, sequence, heads x size) as (batch, heads, sequence, size)."""
    batch, length, _ = values.shape
    return values.reshape(batch, length, -1, size).transpose(0, 2, 1, 3)


def join_heads(heads: Array) -> Array:
    """Return (batch, heads, sequence, size) as (batch, sequence, heads x size)."""
    batch, _, length, _ = heads.shape
    return heads.transpose(0, 2, 1, 3).reshape(batch, length, -1)


def _by_root_mean_square(call: Call, values: Array, axes: tuple[int, ...]) -> Array:
    square = np.mean(values * values, axis=axes, keepdims=True)
    result: Array = values / np.sqrt(square + float(call.attribute("epsilon", 1e-5)))
    return result


def _sum(first: Array, *others: Array | None) -> Array:
    total = first
    for other in others:
        total = total if other is None else total + other
    return total
