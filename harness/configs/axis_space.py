"""The sizes that the axes of a description may take together.

Sizes are drawn per axis *name*, and every tensor takes its sizes from the names. So axes that share
a name agree by construction, and sums follow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from harness.configs.axes import AxisExpression, AxisSizes
from harness.errors import DescriptionError, UsageError, suggest


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
