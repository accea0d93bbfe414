"""References of the operators that round values to codes, or codes to values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import Call, NoReferenceError, evaluate_standard
from harness.evidence.kernels.integer_operators import channels
from harness.evidence.kernels.measures import Expected
from harness.evidence.kernels.scales import (
    code_range,
    dequantise,
    dynamic_scale,
    number,
    quantise,
    spread,
)

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

_ZERO = number(0)


def quantize_linear(call: Call) -> list[Expected | None]:
    """https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html"""
    values, dtype = call.wide(0), call.dtypes[0]
    assert dtype is not None, "QuantizeLinear has one output"
    scale = _spread(call, 1, values.shape)
    zero_point = _spread(call, 2, values.shape)
    if np.isnan(values).any():
        raise NoReferenceError("its input has NaN, whose code is not defined")
    return [Expected(quantise(values, scale, zero_point, dtype))]


def dequantize_linear(call: Call) -> list[Expected | None]:
    """https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html"""
    codes = call.needed(0)
    code_range(codes.dtype)
    scale = _spread(call, 1, codes.shape)
    return [Expected(dequantise(codes, scale, _spread(call, 2, codes.shape)))]


def dynamic_quantize_linear(call: Call) -> list[Expected | None]:
    """https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html"""
    values = call.needed(0)
    if not np.isfinite(values).all():
        raise NoReferenceError("its input is not finite")
    scale, zero_point = dynamic_scale(values)
    codes = quantise(values.astype(np.float64), scale, zero_point, np.dtype(np.uint8))
    return [Expected(codes), Expected(scale), Expected(zero_point)]


def qlinear_matmul(call: Call) -> list[Expected | None]:
    """https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html"""
    left = _less(call, 0, 2, _rows)
    right = _less(call, 3, 5, _columns)
    scale = _rows(call.wide(1)) * _columns(call.wide(4)) / _rows(call.wide(6))
    return [rounded_result(call, np.matmul(left, right) * scale, _rows(call.wide(7)))]


def qlinear_conv(call: Call) -> list[Expected | None]:
    """https://onnx.ai/onnx/operators/onnx__QLinearConv.html"""
    left = call.wide(0) - call.wide(2).reshape(())
    rank = left.ndim
    right = call.wide(3) - channels(call.needed(5), rank)
    bias = None if call.optional(8) is None else call.wide(8)
    sums = evaluate_standard(call, [left, right, bias], operator="Conv")[0]
    per_channel = channels(call.needed(4), rank)
    if per_channel.ndim:
        per_channel = per_channel.reshape(1, -1, *[1] * (rank - 2))
    scale = call.wide(1).reshape(()) * per_channel / call.wide(6).reshape(())
    return [rounded_result(call, sums * scale, call.wide(7).reshape(()))]


def qgemm(call: Call) -> list[Expected | None]:
    """com.microsoft: A and B with scales and zero points, C, and a scale if the result is codes."""
    left, right = call.wide(0) - call.wide(2), call.wide(3)
    right = right - (call.wide(5) if not call.attribute("transB", 0) else _upright(call.wide(5)))
    left = left.T if call.attribute("transA", 0) else left
    right = right.T if call.attribute("transB", 0) else right
    sums = float(call.attribute("alpha", 1.0)) * np.matmul(left, right)
    bias = call.optional(6)
    sums = sums if bias is None else sums + bias
    values = sums * call.wide(1) * call.wide(4)
    if call.optional(7) is None:
        return [Expected(values, np.abs(values) * 2.0**-23)]
    return [rounded_result(call, values / call.wide(7), call.wide(8))]


def rounded_result(call: Call, steps: Array, zero_point: Array) -> Expected:
    """Return the codes of a result that is a number of steps of its scale."""
    dtype = call.dtypes[0]
    assert dtype is not None, "the operator has one output"
    return Expected(quantise(steps, number(1), zero_point, dtype))


def _spread(call: Call, index: int, shape: tuple[int, ...]) -> Array:
    parameter = call.optional(index)
    if parameter is None:
        return _ZERO
    axis, block = int(call.attribute("axis", 1)), int(call.attribute("block_size", 0))
    return spread(parameter, shape, axis=axis, block=block)


def _less(call: Call, codes: int, zero_point: int, form: Callable[[Array], Array]) -> Array:
    return call.wide(codes) - form(call.wide(zero_point))


def _rows(parameter: Array) -> Array:
    if parameter.size == 1:
        return parameter.reshape(())
    return parameter[:, None] if parameter.ndim == 1 else parameter


def _columns(parameter: Array) -> Array:
    return parameter.reshape(()) if parameter.size == 1 else parameter


def _upright(parameter: Array) -> Array:
    return parameter.reshape(-1, 1) if parameter.ndim else parameter
