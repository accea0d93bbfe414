"""References of operators with float16 or bfloat16 values: the same operator in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import Call, NoReferenceError, evaluate_standard
from harness.evidence.kernels.measures import Expected, float32_rounding

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]
    Compute = Callable[[Call, Sequence[Array | None]], list[Array]]

HALVES = frozenset({"float16", "bfloat16"})

SUMS = frozenset({"MatMul", "Gemm", "Conv", "ConvTranspose", "ReduceSum", "ReduceMean"})
"""Operators that add products: no partial sum exceeds the result for absolute inputs."""


def standard_half(call: Call) -> list[Expected | None]:
    """Return the results of onnx's reference evaluator in float64.

    `rounding` is one ulp of float32 at the sum of absolute products, if the operator adds products.
    Else it is the largest difference of the results of the evaluator in float32, or one ulp of
    float32 at the largest result.
    """
    return in_float64(call, evaluate_standard, adds_products=call.node.op_type in SUMS)


def in_float64(
    call: Call, compute: Compute, *, adds_products: bool = False
) -> list[Expected | None]:
    """Return the results of `compute` on the call's inputs in float64, with their rounding."""
    wide = compute(call, _converted(call, np.float64))
    if adds_products:
        magnitudes = [np.abs(value) if value is not None else None for value in wide]
        inputs = _converted(call, np.float64)
        absolute = [v if v is None or v.dtype.kind != "f" else np.abs(v) for v in inputs]
        magnitudes = [np.abs(value) for value in compute(call, absolute)]
        return [
            Expected(value, float32_rounding(magnitude))
            for value, magnitude in zip(wide, magnitudes, strict=True)
        ]
    narrow = compute(call, _converted(call, np.float32))
    return [_with_noise(*pair) for pair in zip(wide, narrow, strict=True)]


def _converted(call: Call, dtype: type[np.floating[Any]]) -> list[Array | None]:
    """Return the inputs, with all floats in another type."""
    return [
        value if value is None or not _is_narrow(value) else value.astype(dtype)
        for value in call.inputs
    ]


def _is_narrow(value: Array) -> bool:
    return value.dtype.name in HALVES or value.dtype.name == "float32"


def _with_noise(wide: Array, narrow: Array) -> Expected:
    if wide.dtype.kind != "f" and wide.dtype.name not in HALVES:
        return Expected(wide)
    values = wide.astype(np.float64)
    if narrow.shape != values.shape:
        raise NoReferenceError("onnx's reference evaluator is not consistent")
    finite = np.isfinite(values)
    with np.errstate(all="ignore"):
        noise = np.abs(narrow.astype(np.float64) - values)
    largest = np.abs(values[finite]).max(initial=0.0)
    noise_bound = noise[finite & np.isfinite(noise)].max(initial=0.0)
    return Expected(values, float(max(noise_bound, float32_rounding(np.asarray(largest)))))
