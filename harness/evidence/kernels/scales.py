"""Scales, zero points and packed codes of quantised tensors, as the operators define them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import NoReferenceError

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

_RANGES = {"int2": (-2, 1), "uint2": (0, 3), "int4": (-8, 7), "uint4": (0, 15)}


def code_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Return the least and the largest code of an integer type; raises NoReferenceError else."""
    if dtype.name in _RANGES:
        return _RANGES[dtype.name]
    if dtype.kind not in "iu":
        raise NoReferenceError(f"codes of type {dtype.name} are not supported")
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def spread(parameter: Array, shape: tuple[int, ...], *, axis: int, block: int = 0) -> Array:
    """Return scales or zero points in float64, in a form that broadcasts to the tensor's shape.

    They are one number for the tensor, one for each index of `axis`, or one for each block of
    `block` values along it: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html
    """
    wide = parameter.astype(np.float64)
    if wide.size == 1 and not block:
        return wide.reshape(())
    axis %= len(shape)
    if block:
        repeated: Array = np.repeat(wide, block, axis=axis)
        return repeated.take(range(shape[axis]), axis=axis)
    form = [1] * len(shape)
    form[axis] = shape[axis]
    return wide.reshape(form)


def quantise(values: Array, scale: Array, zero_point: Array, dtype: np.dtype[Any]) -> Array:
    """Return the codes of values: rounded half to even, moved by the zero point, clamped."""
    low, high = code_range(dtype)
    with np.errstate(all="ignore"):
        codes: Array = np.clip(np.rint(values / scale) + zero_point, low, high)
    whole: Array = np.nan_to_num(codes)
    return whole.astype(np.int64)


def dequantise(codes: Array, scale: Array, zero_point: Array) -> Array:
    """Return the values of codes, in float64."""
    values: Array = codes.astype(np.float64)
    values -= zero_point
    values *= scale
    return values


def number(value: float | np.floating[Any]) -> Array:
    """Return a number as an array in float64."""
    return np.asarray(value, np.float64)


def dynamic_scale(values: Array) -> tuple[Array, Array]:
    """Return scale and zero point for uint8 codes of a whole tensor, computed in float32.

    The range always contains 0, and the scale of zeros alone is 1, as ONNX Runtime has it:
    https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html
    """
    largest = np.float32(max(0.0, float(values.max(initial=0.0))))
    least = np.float32(min(0.0, float(values.min(initial=0.0))))
    scale = np.float32((largest - least) / np.float32(255))
    if scale == 0:
        return number(1), number(0)
    return number(scale), number(np.clip(np.rint(-least / scale), 0, 255))


def unpack(codes: Array, *, bits: int, count: int) -> Array:
    """Return the unsigned codes that bytes hold along the last axis, the low bits first.

    `count` is the number of codes in each row; the rest is padding.
    """
    if 8 % bits:
        raise NoReferenceError(f"codes of {bits} bits are not supported")
    shifts = np.arange(0, 8, bits)
    parts = (codes.astype(np.uint8)[..., None] >> shifts) & (2**bits - 1)
    rows: Array = parts.reshape(*codes.shape[:-1], -1)[..., :count]
    return rows.astype(np.int64)
