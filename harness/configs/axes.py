"""Axis names and affine expressions over them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from harness.errors import DescriptionError

AxisSizes = Mapping[str, int]

_TERM = re.compile(
    r"\s*(?P<sign>[+-])?\s*(?:(?P<factor>\d+)\s*\*\s*)?(?P<atom>[A-Za-z_]\w*|\d+)\s*"
)


@dataclass(frozen=True, slots=True)
class AxisExpression:
    """An affine sum of axis names, such as `past_sequence_length + sequence_length`.

    Two expressions are equal when they have the same terms, in whatever order they are written.
    """

    terms: tuple[tuple[str, int], ...]
    constant: int
    text: str = field(compare=False)

    @classmethod
    @functools.cache
    def parse(cls, text: str) -> Self:
        """Parse `[+-] [factor *] name | integer`, repeated; raises DescriptionError otherwise."""
        factors: dict[str, int] = {}
        constant = position = 0
        while position < len(text) or not text:
            match = _TERM.match(text, position)
            if match is None or (position > 0 and match["sign"] is None):
                raise DescriptionError(
                    f"axis expression {text!r}: expected an affine sum of axis names such as "
                    f"'past_sequence_length + sequence_length', stopped at {text[position:]!r}"
                )
            factor = int(match["factor"] or 1) * (-1 if match["sign"] == "-" else 1)
            if match["atom"].isdigit():
                constant += factor * int(match["atom"])
            else:
                factors[match["atom"]] = factors.get(match["atom"], 0) + factor
            position = match.end()
        terms = tuple(sorted((name, factor) for name, factor in factors.items() if factor))
        return cls(terms, constant, text.strip())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.terms)

    @property
    def is_plain(self) -> bool:
        """Whether this is one axis name and nothing else."""
        return self.constant == 0 and len(self.terms) == 1 and self.terms[0][1] == 1

    def evaluate(self, sizes: AxisSizes) -> int:
        """The size of this axis; raises DescriptionError where a name has no size."""
        missing = [name for name in self.names if name not in sizes]
        if missing:
            raise DescriptionError(f"axis expression {self.text!r}: no size given for {missing[0]}")
        return self.constant + sum(factor * sizes[name] for name, factor in self.terms)


def shape_problems(
    declared: Mapping[str, Mapping[int, str]],
    shapes: Mapping[str, tuple[int, ...]],
    sizes: AxisSizes,
) -> Iterator[str]:
    """Where a shape is not what the expressions of its declared axes give, as *got, expected*.

    `declared` is name -> {axis index: axis name or sum}; raises DescriptionError where a name has
    no size.
    """
    for name, axes in declared.items():
        for axis, text in axes.items():
            expected = AxisExpression.parse(text).evaluate(sizes)
            if axis >= len(shapes[name]) or shapes[name][axis] != expected:
                yield f"shape of {name}: got {shapes[name]}, expected {text} = {expected} at {axis}"
