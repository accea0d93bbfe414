"""References of the operators of com.microsoft whose weights have a scale for each block.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import Call, NoReferenceError
from harness.evidence.kernels.integer_operators import near_ties
from harness.evidence.kernels.measures import Expected, float32_rounding
from harness.evidence.kernels.scales import dequantise, number, spread, unpack

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

INT8_ACCURACY = 4
"""With this `accuracy_level` a kernel may round each block of A to 8 bits."""


def matmul_nbits(call: Call) -> list[Expected | None]:
    """Return A times the dequantised weights, transposed, plus the bias."""
    return [_product(call, call.wide(0), nbits_weights(call))]


def matmul_nbits_int8(call: Call) -> list[Expected | None] | None:
    """Return the product with each block of A rounded to 8 bits; None if the node forbids it.

    A block has the step max|A| / 127. A value so near to a tie that float32 may round it either way
    adds its step to `rounding`.
    """
    if int(call.attribute("accuracy_level", 0)) != INT8_ACCURACY:
        return None
    values, block = call.wide(0), int(call.attribute("block_size"))
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, -values.shape[-1] % block)])
    blocks = padded.reshape(*values.shape[:-1], -1, block)
    step = np.abs(blocks).max(axis=-1, keepdims=True) / 127
    numbers = np.divide(blocks, step, out=np.zeros_like(blocks), where=step > 0)
    rounded, ties = (
        (part * step).reshape(padded.shape)[..., : values.shape[-1]]
        for part in (np.rint(numbers), near_ties(numbers))
    )
    weights = nbits_weights(call)
    product = _product(call, rounded, weights)
    steps = np.matmul(ties, np.abs(weights.values))
    return [Expected(product.values, product.rounding + steps)]


@dataclass(frozen=True, slots=True)
class Weights:
    """Dequantised weights of shape (K, N), and the largest magnitudes while they are computed.

    A kernel may multiply the codes first, and subtract the product with the zero point from that.
    """

    values: Array
    magnitudes: Array


def nbits_weights(call: Call) -> Weights:
    """Return the weights of a MatMulNBits node."""
    if call.optional(4) is not None:
        raise NoReferenceError("g_idx is not supported")
    if call.attribute("weight_prepacked", 0):
        raise NoReferenceError("its weights are stored in the runtime's own layout")
    rows, width = int(call.attribute("N")), int(call.attribute("K"))
    bits, block = int(call.attribute("bits", 4)), int(call.attribute("block_size"))
    count = -(-width // block)
    codes = unpack(call.needed(1).reshape(rows, count, -1), bits=bits, count=block)
    scale = call.wide(2).reshape(rows, count, 1)
    zero_point = _nbits_zero_point(call, (rows, count), bits)
    values = dequantise(codes, scale, zero_point)
    magnitudes = dequantise(codes, np.abs(scale), -np.abs(zero_point))
    return Weights(*(part.reshape(rows, -1)[:, :width].T for part in (values, magnitudes)))


def gather_block_quantized(call: Call) -> list[Expected | None]:
    """Return the gathered codes, dequantised with the scales of their blocks.

    Rows are gathered before they are dequantised if blocks lie along another axis.
    """
    data, scale, zero_point = call.needed(0), call.needed(2), call.optional(3)
    indices, rank = call.needed(1), data.ndim
    gathered = int(call.attribute("gather_axis", 0)) % rank
    axis = int(call.attribute("quantize_axis", 1)) % rank
    is_early = gathered not in (axis, rank - 1)
    if is_early:
        places = indices.reshape(-1)
        data, scale = data.take(places, axis=gathered), scale.take(places, axis=gathered)
        zero_point = None if zero_point is None else zero_point.take(places, axis=gathered)
    values = _dequantised_blocks(call, data, scale, zero_point, axis=axis)
    if is_early:
        form = (*values.shape[:gathered], *indices.shape, *values.shape[gathered + 1 :])
        return [Expected(values.reshape(form))]
    return [Expected(np.take(values, indices, axis=gathered))]


def _dequantised_blocks(
    call: Call, data: Array, scale: Array, zero_point: Array | None, *, axis: int
) -> Array:
    """Return the values of codes, which bytes hold packed along the last axis."""
    block = int(call.attribute("block_size", 128))
    is_packed = data.dtype == np.uint8
    bits = int(call.attribute("bits", 4)) if is_packed else 4
    if is_packed:
        data = unpack(data, bits=bits, count=data.shape[-1] * 8 // bits)
        if zero_point is not None:
            zero_point = unpack(zero_point, bits=bits, count=scale.shape[-1])
    spread_scale = spread(scale, data.shape, axis=axis, block=block)
    if zero_point is None:
        return dequantise(data, spread_scale, number(2 ** (bits - 1) if is_packed else 0))
    return dequantise(data, spread_scale, spread(zero_point, data.shape, axis=axis, block=block))


def _product(call: Call, values: Array, weights: Weights) -> Expected:
    result = np.matmul(values, weights.values)
    magnitudes = np.matmul(np.abs(values), weights.magnitudes)
    bias = call.optional(5)
    if bias is not None:
        wide = bias.astype(np.float64)
        result, magnitudes = result + wide, magnitudes + np.abs(wide)
    return Expected(result, float32_rounding(magnitudes))


def _nbits_zero_point(call: Call, shape: tuple[int, int], bits: int) -> Array:
    stored = call.optional(3)
    if stored is None:
        return number(2 ** (bits - 1))
    if stored.dtype != np.uint8:
        return stored.astype(np.float64).reshape(*shape, 1)
    return unpack(stored.reshape(shape[0], -1), bits=bits, count=shape[1])[..., None]
