"""References of operators with float16 or bfloat16 values: the same operator in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import Call, NoReferenceError, evaluate_standard
from harness.evidence.kernels.integer_operators import cast_to_integers, casts_to_integers
from harness.evidence.kernels.measures import Expected, float32_rounding

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]
    Compute = Callable[[Call, Sequence[Array | None]], Sequence[Array | None]]

HALVES = frozenset({"float16", "bfloat16"})

SUMS = frozenset(
    {"MatMul", "Gemm", "Conv", "ConvTranspose", "ReduceSum", "ReduceMean", "FusedMatMul"}
)
"""Operators that add products: no partial sum exceeds the result for absolute inputs."""


MOVES = frozenset(
    {"Concat", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "Reshape"}
    | {"Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where"}
)
"""Operators that only move values: exact in any type, and their inputs may be large."""


def standard_half(call: Call) -> list[Expected | None]:
    """Return the results of onnx's reference evaluator in float64, with their rounding."""
    if casts_to_integers(call):
        return cast_to_integers(call)
    if call.node.op_type in MOVES:
        return [Expected(value) for value in evaluate_standard(call, call.inputs)]
    return in_float64(evaluate_standard)(call)


def in_float64(compute: Compute) -> Callable[[Call], list[Expected | None]]:
    """Return a reference that computes in float64, and estimates the rounding of float32.

    `rounding` is one ulp of float32 at the sum of absolute products, if the operator adds products.
    Else it is the largest difference between the results in float64 and in float32, or one ulp of
    float32 at the largest result.
    """

    def reference(call: Call) -> list[Expected | None]:
        inputs = _converted(call, np.float64)
        wide = compute(call, inputs)
        if call.node.op_type in SUMS:
            sums = compute(call, [_absolute(value) for value in inputs])
            return [_with_sums(*pair) for pair in zip(wide, sums, strict=True)]
        narrow = compute(call, _converted(call, np.float32))
        return [_with_noise(*pair) for pair in zip(wide, narrow, strict=True)]

    return reference


def _converted(call: Call, dtype: type[np.floating[Any]]) -> list[Array | None]:
    """Return the inputs, with all floats in another type."""
    return [
        value if value is None or not _is_narrow(value) else value.astype(dtype)
        for value in call.inputs
    ]


def _absolute(value: Array | None) -> Array | None:
    """Return the magnitudes of floats; other inputs, such as axes, stay as they are."""
    return np.abs(value) if value is not None and value.dtype.kind == "f" else value


def _is_narrow(value: Array) -> bool:
    return value.dtype.name in HALVES or value.dtype.name == "float32"


def _with_sums(wide: Array | None, sums: Array | None) -> Expected | None:
    if wide is None or sums is None:
        return None
    return Expected(wide, float32_rounding(np.abs(sums)))


def _with_noise(wide: Array | None, narrow: Array | None) -> Expected | None:
    if wide is None or narrow is None:
        return None
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
