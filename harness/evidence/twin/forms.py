"""The forms in which weights are stored: codes with scales, codes of a table, short floats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from harness.evidence.twin.weights import Array, Decoded

_NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
_FP4_POSITIVE = (0.0, 5.208333333e-03, 0.66666667, 1.0, 0.33333333, 0.5, 0.16666667, 0.25)

TABLES = {
    "nf4": np.array(_NF4, np.float32),
    "fp4": np.array([*_FP4_POSITIVE, *(-number for number in _FP4_POSITIVE)], np.float32),
}
"""Form -> the numbers of its 16 codes, for blocks whose largest number is 1.

NF4 is NormalFloat (https://arxiv.org/abs/2305.14314, appendix E), FP4 the 4-bit float of
bitsandbytes, both as in https://github.com/bitsandbytes-foundation/bitsandbytes.
"""

_INTEGERS = {
    f"{sign}int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if not sign else (0, 2**bits - 1)
    for sign in ("", "u")
    for bits in (2, 4, 8, 16, 32)
}
"""Form -> its smallest and largest code."""


def code_range(form: str) -> tuple[int, int] | None:
    """Return the smallest and the largest code of an integer form; None for another form."""
    return _INTEGERS.get(form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """Codes with scales and zero points: value = (code - zero) * scale.

    Scale and zero are single numbers, or one for each index of `axis`, or one for each block of
    `block_size` indices along `axis`, or broadcast to the codes. `groups` is the block of each
    index, if blocks are not consecutive. Source:
    https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html. `codes` may return a wider type than
    `form`, the type of the codes, which may be a short float as well.
    """

    form: str
    codes: Callable[[], Array]
    shape: tuple[int, ...]
    scale: Array
    zero: Array
    axis: int = 0
    block_size: int = 0
    groups: Array | None = None

    def fits(self) -> bool:
        """Whether scales and zero points have sizes that match the codes."""
        try:
            return all(
                np.broadcast_shapes(self._spread(place).shape, self.shape) == self.shape
                for place in (np.zeros(self.scale.shape, bool), np.zeros(self.zero.shape, bool))
            )
        except (ValueError, IndexError):
            return False

    def decode(self) -> Decoded:
        """Return the values, steps and range."""
        scale = self._spread(self.scale).astype(np.float32)
        codes = self.codes()
        if self.form not in _INTEGERS:
            codes, high = codes.astype(np.float32), _largest(self.form)
            step = ulp(codes, self.form) * np.abs(scale)
            return _decoded(codes * scale, step, (-high * scale, high * scale))
        zero = self._spread(self.zero)
        zero = zero.astype(np.float32 if _is_float(zero) else np.int64)
        ends = [(code - zero).astype(np.float32) * scale for code in _INTEGERS[self.form]]
        values = (codes.astype(np.int64) - zero).astype(np.float32) * scale
        return _decoded(values, np.abs(scale), (ends[0], ends[1]))

    def encode(self, values: Array) -> Array:
        """Return the codes of values in an integer form, as QuantizeLinear computes them."""
        scale, zero = self._spread(self.scale), self._spread(self.zero).astype(np.float32)
        codes = np.clip(np.rint(values / scale) + zero, *_INTEGERS[self.form])
        return codes.astype(np.dtype(getattr(ml_dtypes, self.form, self.form)))

    def _spread(self, parameter: Array) -> Array:
        """Return scales or zero points in a shape that broadcasts to the codes."""
        if parameter.size == 1:
            return parameter.reshape(())
        length = self.shape[self.axis]
        if self.groups is not None or self.block_size:
            groups = np.arange(length) // self.block_size if self.groups is None else self.groups
            return np.take(parameter, groups, axis=self.axis)
        if parameter.size == length:
            shape = [1] * len(self.shape)
            shape[self.axis] = length
            return parameter.reshape(shape)
        return parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Tabled:
    """Codes of a table: value = table[code] * absmax of its block.

    Blocks are consecutive places of the codes in row-major order. Source: MatMulBnb4 in
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """

    form: str
    codes: Callable[[], Array]
    shape: tuple[int, ...]
    absmax: Array
    block_size: int

    def decode(self) -> Decoded:
        """Return the values, steps and range. A step is the larger of the gaps at both sides."""
        table, codes = TABLES[self.form], self.codes()
        blocks = np.arange(codes.size).reshape(self.shape) // self.block_size
        scale = self.absmax.astype(np.float32).reshape(-1)[blocks]
        numbers = np.unique(table)
        gaps = np.diff(numbers)
        widest = np.maximum(np.append(gaps, gaps[-1]), np.insert(gaps, 0, gaps[0]))
        steps = widest[np.searchsorted(numbers, table)][codes] * scale
        return _decoded(table[codes] * scale, steps, (numbers[0] * scale, numbers[-1] * scale))


def decode_float(array: Array, form: str) -> Decoded:
    """Return the values, steps and range of an array of floats, which have no scales.

    A step is a unit in the last place; float32 holds the checkpoint's own values, so it is 0.
    """
    values, high = array.astype(np.float32), np.asarray(_largest(form))
    step = np.zeros((), np.float32) if form == "float32" else ulp(values, form)
    return _decoded(values, step, (-high, high))


def _decoded(values: Array, step: Array, ends: tuple[Array, Array]) -> Decoded:
    """Return the arrays in one shape. Ends are exchanged where a scale is negative."""
    low, high = np.minimum(*ends), np.maximum(*ends)
    spread = (
        np.broadcast_to(np.asarray(one, np.float32), values.shape) for one in (step, low, high)
    )
    return Decoded(values, *spread)


def _largest(form: str) -> np.float32:
    return np.float32(ml_dtypes.finfo(form).max)


def ulp(values: Array | float, form: str) -> Array:
    """Return the distance of floats of a form to the next larger one in magnitude."""
    info = ml_dtypes.finfo(form)
    _, exponents = np.frexp(np.abs(values))
    smallest = np.where(values == 0, info.minexp, np.maximum(exponents - 1, info.minexp))
    return np.asarray(np.ldexp(np.float32(1), smallest - info.nmant))


def _is_float(array: Array) -> bool:
    return array.dtype.kind not in "iub" and not np.issubdtype(array.dtype, np.integer)
