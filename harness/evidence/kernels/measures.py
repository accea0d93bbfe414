"""Differences between a kernel's result and the expected one, in codes or in ulps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]

_FORMATS = {"float16": (10, -14, 15), "bfloat16": (7, -126, 127), "float32": (23, -126, 127)}
"""Bits of the fraction, and least and largest exponent, of each type of float."""

_AT_ONCE = 2**20
"""Values that are compared at once, in float64."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A result by definition: codes as integers, other numbers in float64.

    `rounding` is the absolute error that computing in float32 may cause: one ulp of float32 at the
    largest partial sum. It has the shape of the values, or is one number. Places where `is_defined`
    is false are not compared.
    """

    values: Array
    rounding: Array | float = 0.0
    is_defined: Array | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest difference of a result in units (`codes` or `ulps`), with its place."""

    unit: str
    value: float
    index: tuple[int, ...] = ()
    got: str = ""
    expected: str = ""


def is_float(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype is one whose results are compared in ulps."""
    return dtype.name in _FORMATS


def difference(got: Array, expected: Expected) -> Difference:
    """Return the largest difference; infinite if shapes or the pattern of NaN differ.

    Floats are measured in ulps of the result's type at the expected value, plus `rounding`. Values
    beyond the range of the type count as the number that follows its largest one.
    """
    unit = "ulps" if is_float(got.dtype) else "codes"
    if got.shape != expected.values.shape:
        shapes = (f"shape {got.shape}", f"shape {expected.values.shape}")
        return Difference(unit, float("inf"), (), *shapes)
    assert np.shape(expected.rounding) in {(), got.shape}, "rounding is one number, or each has one"
    if got.size == 0:
        return Difference(unit, 0.0)
    if got.ndim == 0:
        return _largest(got, expected)
    rows = max(1, _AT_ONCE * len(got) // got.size)
    parts = (_part(got, expected, start, rows) for start in range(0, len(got), rows))
    return max(parts, key=lambda part: part.value)


def _part(got: Array, expected: Expected, start: int, rows: int) -> Difference:
    """Return the largest difference within some places of the first axis."""
    taken = slice(start, start + rows)
    rounding = np.asarray(expected.rounding)
    is_defined = None if expected.is_defined is None else expected.is_defined[taken]
    rounding = rounding[taken] if rounding.ndim else rounding
    part = Expected(expected.values[taken], rounding, is_defined)
    found = _largest(got[taken], part)
    return replace(found, index=(found.index[0] + start, *found.index[1:]))


def _largest(got: Array, expected: Expected) -> Difference:
    unit = "ulps" if is_float(got.dtype) else "codes"
    units = _ulps(got, expected) if unit == "ulps" else _codes(got, expected.values)
    units = units if expected.is_defined is None else np.where(expected.is_defined, units, 0.0)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(units)), units.shape))
    shown = (str(got[index]), str(_shown(expected.values[index], got.dtype)))
    return Difference(unit, float(units[index]), index, *shown)


def ulp(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return the distance between neighbouring numbers of a type at each value, as float64."""
    fraction, least, largest = _FORMATS[dtype.name]
    _, exponent = np.frexp(np.abs(np.where(np.isfinite(values), values, 0.0)))
    distance: Array = np.ldexp(1.0, np.clip(exponent - 1, least, largest) - fraction)
    return distance


def float32_rounding(magnitudes: Array) -> Array:
    """Return one ulp of float32 at each magnitude, as float64."""
    return ulp(magnitudes, np.dtype(np.float32))


def _ulps(got: Array, expected: Expected) -> Array:
    values = expected.values.astype(np.float64)
    missing = np.isnan(values)
    one = ulp(values, got.dtype) + expected.rounding
    distance = np.abs(_in_range(got.astype(np.float64), got.dtype) - _in_range(values, got.dtype))
    differs = np.isnan(got.astype(np.float64)) != missing
    units: Array = np.where(differs, np.inf, np.where(missing, 0.0, distance / one))
    return units


def _in_range(values: Array, dtype: np.dtype[Any]) -> Array:
    _, _, largest = _FORMATS[dtype.name]
    beyond = float(np.ldexp(2.0, largest))
    limited: Array = np.clip(values, -beyond, beyond)
    return limited


def _codes(got: Array, expected: Array) -> Array:
    if got.dtype.kind in "SUO" or expected.dtype.kind in "SUO":
        return np.asarray(got != expected, np.float64)
    apart: Array = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    return apart


def _shown(value: Any, dtype: np.dtype[Any]) -> Any:
    return np.float32(value) if is_float(dtype) else value
