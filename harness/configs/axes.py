"""Axis names, affine axis expressions and the sizes that an axis may take.

Sizes are drawn per axis *name* and every tensor is resolved from them, so that axes which share
a name agree by construction and sums derive.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from harness.errors import DescriptionError, UsageError, suggest

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


@dataclass(frozen=True, slots=True)
class AxisRange:
    """The sizes drawn for one axis name, and the size at which the model is exported.

    Export sizes are at least 2 (1 is specialised by torch.export) and pairwise different.
    """

    low: int
    high: int
    export: int


AXIS_RANGES: Mapping[str, AxisRange] = {
    "batch_size": AxisRange(1, 6, export=3),
    "decoder_sequence_length": AxisRange(1, 16, export=8),
    "encoder_sequence_length": AxisRange(1, 24, export=9),
    "image_batch_size": AxisRange(1, 6, export=2),
    "num_choices": AxisRange(1, 5, export=4),
    "past_decoder_sequence_length": AxisRange(0, 16, export=10),
    "past_sequence_length": AxisRange(0, 24, export=5),
    "sequence_length": AxisRange(1, 24, export=7),
    "text_batch_size": AxisRange(1, 6, export=6),
}
OTHER_EXPORT = 8
"""Added to an export size: pixels stay multiples of the patches of tiny models."""

_EXPORT_SIZES_OF_OTHER_AXES = (11, 13, 17, 19, 23, 29, 31)
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)


@dataclass(frozen=True, slots=True)
class AxisSpace:
    """All sizes that the axes of one description may take together.

    `ceilings` bounds sums of axes by the model, e.g. past + sequence by its position table.
    `landmarks` are sizes around which the model behaves differently, e.g. past + sequence at its
    attention window.
    """

    ranges: Mapping[str, AxisRange]
    ceilings: tuple[tuple[AxisExpression, int], ...] = ()
    landmarks: tuple[tuple[AxisExpression, int], ...] = ()

    @classmethod
    def over(
        cls,
        names: Iterable[str],
        *,
        overrides: Mapping[str, AxisRange],
        ceilings: Mapping[str, int],
        landmarks: Mapping[str, int] = MappingProxyType({}),
    ) -> Self:
        """The space over these axis names, from the common table and a description's overrides.

        Ceilings and landmarks that name other axes are left out.
        """
        table = {**AXIS_RANGES, **overrides}
        spare = iter(_EXPORT_SIZES_OF_OTHER_AXES)
        ranges = {
            name: table[name] if name in table else AxisRange(1, 8, export=next(spare))
            for name in sorted(set(names))
        }
        return cls(ranges, _parsed(ceilings, within=ranges), _parsed(landmarks, within=ranges))

    @property
    def export_sizes(self) -> dict[str, int]:
        return self.fit({name: axis.export for name, axis in self.ranges.items()})

    @property
    def other_export_sizes(self) -> dict[str, int]:
        """A second size for each axis, on the same side of every landmark that lies below both."""
        return self.fit({n: size + OTHER_EXPORT for n, size in self.export_sizes.items()})

    def complete(self, sizes: AxisSizes) -> dict[str, int]:
        """Export sizes with `sizes` in their place.

        Raises UsageError for an unknown axis, a size below the axis's smallest, or a sum that the
        model does not reach.
        """
        for name, size in sizes.items():
            if name not in self.ranges:
                raise UsageError(
                    f"axis {name!r} is not declared here; {suggest(name, self.ranges)}"
                )
            if size < (low := self.ranges[name].low):
                raise UsageError(f"axis {name}: size {size} is below {low}; give {low} or more")
        chosen = {**{n: s for n, s in self.export_sizes.items() if n not in sizes}, **sizes}
        for expression, limit in self.ceilings:
            if (value := expression.evaluate(chosen)) > limit:
                raise UsageError(
                    f"axes {expression.text} = {value}: the model reaches {limit}; give less"
                )
        return dict(sorted(chosen.items()))

    def fit(self, sizes: AxisSizes) -> dict[str, int]:
        """The nearest admitted sizes: too long sums lose from their longest axis."""
        fitted = {name: max(size, self.ranges[name].low) for name, size in sizes.items()}
        for expression, limit in self.ceilings:
            while (excess := expression.evaluate(fitted) - limit) > 0:
                longest = max(expression.names, key=lambda n: fitted[n] - self.ranges[n].low)
                room = fitted[longest] - self.ranges[longest].low
                if room <= 0:
                    raise DescriptionError(f"axes {expression.text}: no size fits {limit}")
                fitted[longest] -= min(room, max(1, excess // 2))
        return fitted

    def corners(self) -> list[dict[str, int]]:
        """Sizes that always run, smallest first, without those of the export itself."""
        rows = (self.fit(row) for row in self._corner_rows())
        return list({tuple(row.items()): row for row in rows if row != self.export_sizes}.values())

    def _corner_rows(self) -> Iterator[dict[str, int]]:
        export = {name: axis.export for name, axis in self.ranges.items()}
        for size in (1, 2, 3):
            yield dict.fromkeys(self.ranges, size)
        for name, axis in self.ranges.items():
            if axis.low == 0:
                yield {**dict.fromkeys(self.ranges, 2), name: 0}
                yield {**export, name: 0}
                yield {**dict.fromkeys(self.ranges, 1), name: axis.high}
        yield dict(zip(self.ranges, _PRIMES, strict=False)) | dict.fromkeys(
            list(self.ranges)[len(_PRIMES) :], 23
        )
        yield {name: 2 * size for name, size in export.items()}
        yield {name: 4 * size for name, size in export.items()}
        for expression, size in self.landmarks:
            yield from self._rows_around(expression, size)

    def _rows_around(self, expression: AxisExpression, size: int) -> Iterator[dict[str, int]]:
        """Below, at and above `size` by each axis in turn, then far above by all of them."""
        lows = {name: self.ranges[name].low for name in expression.names}
        base = {**dict.fromkeys(self.ranges, 2), **lows}
        least = expression.evaluate(lows)
        for name, factor in expression.terms:
            for goal in (size - 1, size, size + 1):
                yield {**base, name: lows[name] + (goal - least) // factor}
        share = (3 * size - least) // len(expression.terms)
        far = {name: lows[name] + share // factor for name, factor in expression.terms}
        yield {**base, **far}


def _parsed(
    sizes: Mapping[str, int], *, within: Collection[str]
) -> tuple[tuple[AxisExpression, int], ...]:
    expressions = ((AxisExpression.parse(text), size) for text, size in sizes.items())
    return tuple((e, size) for e, size in expressions if set(e.names) <= set(within))


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
