"""References of operators that compute with integers, and of operators that scale such sums.

Products are computed in float64: sums of products of codes stay far below 2**53, so they are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import Call, NoReferenceError, evaluate_standard
from harness.evidence.kernels.measures import Expected, float32_rounding
from harness.evidence.kernels.scales import dynamic_scale, number, quantise

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]


def matmul_integer(call: Call) -> list[Expected | None]:
    """https://onnx.ai/onnx/operators/onnx__MatMulInteger.html"""
    left = _less_rows(call.wide(0), call.optional(2))
    right = call.wide(1) - _columns(call.optional(3))
    return [Expected(_wrapped(np.matmul(left, right)))]


def conv_integer(call: Call) -> list[Expected | None]:
    """https://onnx.ai/onnx/operators/onnx__ConvInteger.html"""
    left = call.wide(0) - _number(call.optional(2))
    right = call.wide(1) - channels(call.optional(3), call.wide(1).ndim)
    return [Expected(_wrapped(evaluate_standard(call, [left, right], operator="Conv")[0]))]


def casts_to_integers(call: Call) -> bool:
    """Whether a node turns floats into integers."""
    kind = call.dtypes[0] if call.node.op_type == "Cast" else None
    return kind is not None and kind.kind in "iu" and call.needed(0).dtype.kind not in "iub"


def cast_to_integers(call: Call) -> list[Expected | None]:
    """Return floats without their fractions; numbers beyond the range have no defined result:
    https://onnx.ai/onnx/operators/onnx__Cast.html
    """
    kind, whole = call.dtypes[0], np.trunc(call.wide(0))
    limits = np.iinfo(np.int64 if kind is None else kind)
    is_defined = (whole >= limits.min) & (whole <= limits.max)
    return [Expected(np.where(is_defined, whole, 0), is_defined=is_defined)]


def moved_codes(call: Call) -> list[Expected | None]:
    """Return what onnx's reference evaluator computes, for operators that move or compare codes."""
    if casts_to_integers(call):
        return cast_to_integers(call)
    return [Expected(value) for value in evaluate_standard(call, call.inputs)]


def matmul_integer_to_float(call: Call) -> list[Expected | None]:
    """com.microsoft: A, B, scales of both, zero points of both, bias."""
    left = call.wide(0) - _number(call.optional(4))
    right = call.wide(1) - _columns(call.optional(5))
    scale = call.wide(2) * _row(call.wide(3))
    return [_scaled(left, right, scale, call.optional(6))]


def dynamic_quantize_matmul(call: Call) -> list[Expected | None]:
    """com.microsoft: A is quantised as by DynamicQuantizeLinear, then multiplied by codes B.

    A value of A so near to a tie that float32 may round it either way adds its step to `rounding`.
    """
    values = call.needed(0)
    if not np.isfinite(values).all():
        raise NoReferenceError("its input is not finite")
    scale, zero_point = dynamic_scale(values)
    wide = values.astype(np.float64)
    left = quantise(wide, scale, zero_point, np.dtype(np.uint8)) - zero_point
    right = call.wide(1) - _columns(call.optional(3))
    scales = scale * _row(call.wide(2))
    result = _scaled(left, right, scales, call.optional(4))
    steps = np.matmul(near_ties(wide / scale), np.abs(right)) * scales
    return [Expected(result.values, result.rounding + steps)]


def near_ties(steps: Array) -> Array:
    """Return 1 for each number of steps that float32 may round to either neighbour, else 0."""
    distance = np.abs(np.abs(steps - np.floor(steps)) - 0.5)
    is_near: Array = distance < 1e-6 * np.maximum(np.abs(steps), 1)
    return is_near.astype(np.float64)


def channels(parameter: Array | None, rank: int) -> Array:
    """Return a zero point or scale of a kernel, in a form that broadcasts along its first axis."""
    if parameter is None or parameter.size == 1:
        return _number(parameter)
    return parameter.astype(np.float64).reshape(-1, *[1] * (rank - 1))


def _scaled(left: Array, right: Array, scale: Array, bias: Array | None) -> Expected:
    """Return a product of codes times a scale, plus a bias, and its rounding in float32."""
    values = np.matmul(left, right) * scale
    magnitudes = np.abs(values)
    if bias is not None:
        values, magnitudes = values + bias, magnitudes + np.abs(bias)
    return Expected(values, float32_rounding(magnitudes))


def _less_rows(codes: Array, zero_point: Array | None) -> Array:
    if zero_point is None or zero_point.size == 1:
        return codes - _number(zero_point)
    wide = zero_point.astype(np.float64)
    return codes - (wide[:, None] if wide.ndim == 1 else wide)


def _columns(zero_point: Array | None) -> Array:
    return _number(None) if zero_point is None else _row(zero_point.astype(np.float64))


def _row(parameter: Array) -> Array:
    return parameter.reshape(()) if parameter.size == 1 else parameter


def _number(parameter: Array | None) -> Array:
    return number(0) if parameter is None else parameter.astype(np.float64).reshape(())


def _wrapped(sums: Array) -> Array:
    """Return sums as int32, which wraps as the accumulator of the operator does."""
    whole: Array = np.rint(sums).astype(np.int64)
    return whole.astype(np.int32)
