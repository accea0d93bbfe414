"""Building blocks of edits: bodies in ONNX's textual syntax, and changes of weights."""

from __future__ import annotations

import numpy as np

from tests.faults.library.surgery import Array

ONE = "one = Constant<value_int=1>() "
PLACES = ONE + "z = Sub(x, x) o = Add(z, one) c = CumSum(o, one) p = Sub(c, one) "
"""`p` is the position of each entry of `x`, of shape [batch, length], in its row."""

ALL_SEEN = ONE + "z = Sub(x, x) y = Add(z, one)"
ONE_MORE = ONE + "y = Add(x, one)"
NOTHING = "y = Sub(x, x)"
SAME = "y = Identity(x)"
FIRST_ROW = "i = Constant<value_ints=[0]>() r = Gather<axis=0>(x, i) q = Sub(x, x) y = Add(q, r)"
AS_HALF = "h = Cast<to=10>(x) y = Cast<to=1>(h)"

KEY, VALUE = "past_key_values.0.key", "past_key_values.0.value"
PAST = {"k": KEY}
PAST_LENGTH = "s = Shape(k) two = Constant<value_int=2>() n = Gather(s, two) "
ATTENTION = "layers.{}/self_attn/"
"""Of a decoder: its first key and value, the length of the past, llama's name of a layer."""


def at_most(limit: int) -> str:
    """Body: integers, clipped from above."""
    return f"m = Constant<value_int={limit}>() y = Min(x, m)"


def between(low: int, high: int) -> str:
    """Body: integers, clipped on both sides."""
    return f"l = Constant<value_int={low}>() h = Constant<value_int={high}>() y = Clip(x, l, h)"


def within(limit: float) -> str:
    """Body: floats, clipped to [-limit, limit]."""
    return f"h = Constant<value_float={limit}>() l = Neg(h) y = Clip(x, l, h)"


def backwards(axis: int) -> str:
    """Body: the entries along an axis in reverse order."""
    return (
        "s = Constant<value_ints=[-1]>() e = Constant<value_ints=[-9999]>() "
        f"a = Constant<value_ints=[{axis}]>() y = Slice(x, s, e, a, s)"
    )


def taken(indices: str, axis: int) -> str:
    """Body: the entries with these indices along an axis."""
    return f"i = Constant<value_ints=[{indices}]>() y = Gather<axis={axis}>(x, i)"


def zero_last_row(table: Array) -> Array:
    table[-1] = 0
    return table


def shorter(array: Array) -> Array:
    return array[:-1]


def rolled(array: Array) -> Array:
    return np.roll(array, 1, axis=0)


def rolled_columns(array: Array) -> Array:
    return np.roll(array, 1, axis=1)


def transposed(array: Array) -> Array:
    return np.ascontiguousarray(array.T)


def one_changed(array: Array) -> Array:
    array.flat[0] += np.float32(0.01)
    return array


def as_half(array: Array) -> Array:
    return array.astype(np.float16).astype(np.float32)


def as_bfloat(array: Array) -> Array:
    return (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def as_int8(array: Array) -> Array:
    scale = np.abs(array).max() / 127
    rounded: Array = np.round(array / scale) * scale
    return rounded.astype(np.float32)
