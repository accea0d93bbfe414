"""The numbers that short floats round: a float16 graph has 0.66895 where its model has 5 ** -0.25.

Eager PyTorch can carry the weights of a file, but not its constants. So a twin takes a constant as
a number that rounds to it and that models have. If the twin then agrees with eager, each constant
is right up to its rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import ml_dtypes

from harness.evidence.twin.forms import ulp

_NAMED = {"sqrt(2 / pi)": math.sqrt(2 / math.pi), "0.044715": 0.044715, "1.702": 1.702}
"""Constants of the approximations of Gelu."""
_EXPONENTS = (-0.5, 0.5, -0.25, 0.25)
"""Scales of attention and of embeddings are roots of a width."""
_LARGEST_WIDTH = 16384
_CHANCE = 0.1
"""How probable it may be that a number fits a rule by chance."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A number that rounds to a constant, with the text that explains it."""

    number: float
    text: str


def restore(constant: float, form: str) -> Restored | None:
    """Return the number that a constant of a short float form rounds.

    None if the constant itself is simple, is not finite, or rounds no number that models have.
    """
    size = abs(constant)
    if not math.isfinite(size) or not size:
        return None
    step = float(ulp(size, form))
    found = next(_likely(size, step), None)
    if found is None and not _is_simple(size / step, form):
        found = next(_possible(size, step), None)
    if found is None or found.number == size:
        return None
    sign = "-" if constant < 0 else ""
    return Restored(math.copysign(found.number, constant), f"{sign}{found.text}")


def _is_simple(steps: float, form: str) -> bool:
    """Whether the lower half of a constant's binary digits is 0, as in 8 and 0.375."""
    return steps % (1 << ml_dtypes.finfo(form).nmant // 2) == 0


def _likely(size: float, step: float) -> Iterator[Restored]:
    """Yield a power of ten, or roots of widths, that round to a size."""
    power = 10.0 ** round(math.log10(size))
    if abs(power - size) <= step / 2:
        yield Restored(power, f"{power:g}")
    for exponent in _EXPONENTS:
        yield from _roots(size, step, exponent)


def _possible(size: float, step: float) -> Iterator[Restored]:
    """Yield other numbers of models that round to a size: named ones, then short decimals."""
    for text, number in _NAMED.items():
        if abs(number - size) <= step / 2:
            yield Restored(number, text)
    for digits in (1, 2):
        number = float(f"{size:.{digits - 1}e}")
        spacing = 10.0 ** (math.floor(math.log10(size)) - digits + 1)
        if abs(number - size) <= step / 2 and step <= _CHANCE * spacing:
            yield Restored(number, f"{number:g}")


def _roots(size: float, step: float, exponent: float) -> Iterator[Restored]:
    """Yield width ** exponent, if the width is one of few that round to the size.

    Large widths are multiples of a power of two.
    """
    base = size ** (1 / exponent)
    if not 1.5 < base <= _LARGEST_WIDTH:
        return
    uncertainty = abs(base / exponent) * step / size
    grid = 2 ** max(0, math.ceil(math.log2(uncertainty / _CHANCE)))
    width = grid * round(base / grid)
    if width and abs(width**exponent - size) <= step / 2:
        yield Restored(width**exponent, f"{width} ** {exponent:g}")
