"""Weights as a file stores them, with the float32 values that they stand for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]

_ADDED_SUFFIX = re.compile(
    r"_(q|quantized|Transposed|QuantizeLinear_Output|scales?|zero_points?|(DQ_)?Q[248](G\d+)?|Bnb4|absmax"
    r"|fp16|float16|bf16|bfloat16|u?int[248])$"
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The values of a weight, with the step and the range of its form at each place.

    All arrays have the shape of `values`. The checkpoint's value, clamped to `low` and `high`, lies
    within half a step of a value that is stored correctly.
    """

    values: Array
    step: Array
    low: Array
    high: Array

    def arranged(self, arrange: Callable[[Array], Array]) -> Decoded:
        """Return the same weight with its places in another order or shape."""
        return Decoded(*map(arrange, (self.values, self.step, self.low, self.high)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWeight:
    """One weight of a file, in the orientation in which the float twin uses it.

    `name` is the name that the float model would have for it, `initializer` the name in the file.
    `form` is how each number is stored: `int8`, `uint4`, `nf4`, `float16`, ... `axis` and
    `block_size` are given if scales belong to channels, or to blocks along an axis.

    `decode` computes the arrays anew each time, so the weights of a large file never fill the
    memory at once. To use several of its arrays, call it once.
    """

    name: str
    initializer: str
    form: str
    decode: Callable[[], Decoded] = field(repr=False, compare=False)
    axis: int | None = None
    block_size: int | None = None

    @property
    def values(self) -> Array:
        """The float32 values."""
        return self.decode().values

    @property
    def step(self) -> Array:
        """The distance to the next number of the form, at each place; 0 for float32."""
        return self.decode().step

    @property
    def low(self) -> Array:
        """The smallest number of the form, at each place."""
        return self.decode().low

    @property
    def high(self) -> Array:
        """The largest number of the form, at each place."""
        return self.decode().high

    def arranged(self, arrange: Callable[[Array], Array], *, axis: int | None) -> StoredWeight:
        """Return the weight with its places in another order or shape; `axis` is the new axis."""
        decode = self.decode
        return replace(self, decode=lambda: decode().arranged(arrange), axis=axis)


def float_name(initializer: str) -> str:
    """Return the name without the suffixes that quantisers and converters add.

    One of them says that the quantiser transposed the weight, so that MatMul can read it.
    """
    name, shorter = "", initializer
    while shorter and shorter != name:
        name, shorter = shorter, _ADDED_SUFFIX.sub("", shorter)
    return re.sub(r"\.qweight$", ".weight", name)
