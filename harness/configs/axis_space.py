"""The sizes that the axes of a description may take together.

Sizes are drawn per axis *name*, and every tensor takes its sizes from the names. So axes that share
a name agree by construction, and sums follow.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from harness.configs.axes import AxisExpression, AxisSizes
from harness.errors import DescriptionError, UsageError, suggest


@dataclass(frozen=True, slots=True)
class AxisRange:
    """The sizes drawn for one axis name, and the size at which the model is exported.

    Export sizes are at least 2 (1 is specialised by torch.export) and pairwise different. All sizes
    are multiples of `step`, such as 14 for images of whole patches; raises DescriptionError if not.
    """

    low: int
    high: int
    export: int
    step: int = 1

    def __post_init__(self) -> None:
        for name in ("low", "high", "export"):
            if getattr(self, name) % self.step:
                raise DescriptionError(
                    f"AxisRange.{name}: got {getattr(self, name)}, expected a multiple of the step "
                    f"{self.step}"
                )

    def admitted(self, size: int) -> int:
        """Return the largest admitted size up to this one, or the smallest of all."""
        return max(self.low, size - size % self.step)

    def up_to(self, limit: int) -> Self:
        """Return a range that ends at the last admitted size up to a limit, if that is longer."""
        return dataclasses.replace(self, high=max(self.high, limit - limit % self.step))


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
_LONG_PAST = 24
_LENGTHS = frozenset(name for name in AXIS_RANGES if name.endswith("sequence_length"))
_WITHOUT_END = 64
"""The size that lengths reach for which a model states no bound."""

_FAR = 2**20


IsAffordable = Callable[[AxisSizes], bool]
"""Whether an example of these sizes fits the memory and time that one example may take."""

Bounds = tuple[tuple[AxisExpression, int], ...]


@dataclass(frozen=True, slots=True)
class AxisSpace:
    """All sizes that the axes of one description may take together.

    `ceilings` are the largest values of sums of axes, such as past + sequence at the end of the
    position table. `landmarks` are sizes around which the model behaves differently, such as past +
    sequence at its attention window. Examples visit both. `reaches` is the number of bounds that
    values of inputs, such as positions, must reach.
    """

    ranges: Mapping[str, AxisRange]
    ceilings: Bounds = ()
    landmarks: Bounds = ()
    reaches: int = 0

    @classmethod
    def over(
        cls,
        names: Iterable[str],
        *,
        overrides: Mapping[str, AxisRange],
        ceilings: Mapping[str, int],
        landmarks: Mapping[str, Sequence[int]] = MappingProxyType({}),
        reaches: int = 0,
    ) -> Self:
        """Return the space over these axis names, from the common table and overrides of it.

        Axes of the table go up to their ceiling. Ceilings and landmarks that name other axes are
        left out.
        """
        table = {**AXIS_RANGES, **overrides}
        spare = iter(_EXPORT_SIZES_OF_OTHER_AXES)
        ranges = {
            name: table[name] if name in table else AxisRange(1, 8, export=next(spare))
            for name in sorted(set(names))
        }
        limits = _parsed({text: (limit,) for text, limit in ceilings.items()}, within=ranges)
        for expression, limit in limits:
            for name in set(expression.names) - set(overrides):
                ranges[name] = ranges[name].up_to(limit)
        bounds = (limits, _parsed(landmarks, within=ranges))
        for expression, _ in itertools.chain(*bounds):
            _require_growth(expression, ranges)
        return cls(ranges, *bounds, reaches)

    @property
    def export_sizes(self) -> dict[str, int]:
        return self.fit({name: axis.export for name, axis in self.ranges.items()})

    @property
    def other_export_sizes(self) -> dict[str, int]:
        """A second size for each axis, on the same side of every landmark that lies below both."""
        return self.fit(
            {n: size + OTHER_EXPORT * self.ranges[n].step for n, size in self.export_sizes.items()}
        )

    def complete(self, sizes: AxisSizes) -> dict[str, int]:
        """Export sizes with `sizes` in their place.

        Raises UsageError for an unknown axis, a size that the axis does not admit, or a sum that
        the model does not reach.
        """
        for name, size in sizes.items():
            if name not in self.ranges:
                raise UsageError(
                    f"axis {name!r} is not declared here; {suggest(name, self.ranges)}"
                )
            if size < (low := self.ranges[name].low):
                raise UsageError(f"axis {name}: size {size} is below {low}; give {low} or more")
            if size % (step := self.ranges[name].step):
                raise UsageError(f"axis {name}: size {size} is no multiple of {step}; give one")
        chosen = {**{n: s for n, s in self.export_sizes.items() if n not in sizes}, **sizes}
        for expression, limit in self.ceilings:
            if (value := expression.evaluate(chosen)) > limit:
                raise UsageError(
                    f"axes {expression.text} = {value}: the model reaches {limit}; give less"
                )
        return dict(sorted(chosen.items()))

    def fit(self, sizes: AxisSizes) -> dict[str, int]:
        """The nearest admitted sizes: too long sums lose from their longest axis."""
        fitted = {name: self.ranges[name].admitted(size) for name, size in sizes.items()}
        for expression, limit in self.ceilings:
            while (excess := expression.evaluate(fitted) - limit) > 0:
                longest = max(expression.names, key=lambda n: fitted[n] - self.ranges[n].low)
                room = fitted[longest] - self.ranges[longest].low
                if room <= 0:
                    raise DescriptionError(f"axes {expression.text}: no size fits {limit}")
                shorter = fitted[longest] - min(room, max(1, excess // 2))
                fitted[longest] = self.ranges[longest].admitted(shorter)
        return fitted

    def reduce(self, sizes: AxisSizes, is_affordable: IsAffordable) -> dict[str, int]:
        """Return sizes that are affordable: all axes but the longest one at their smallest size if
        need be, then the longest one halved until it fits."""
        reduced = dict(sizes)
        if is_affordable(reduced) or not reduced:
            return reduced
        longest = max(reduced, key=lambda name: reduced[name] - self.ranges[name].low)
        reduced |= {name: a.low for name, a in self.ranges.items() if name != longest}
        least = max(1, self.ranges[longest].low)
        while not is_affordable(reduced) and reduced[longest] > least:
            half = max(1, reduced[longest] // 2)
            reduced[longest] = self.ranges[longest].admitted(half)
        return reduced

    @property
    def bounds(self) -> Bounds:
        """All ceilings and landmarks: examples must reach each."""
        return tuple(dict.fromkeys((*self.landmarks, *self.ceilings)))

    def row_at(self, expression: AxisExpression, size: int) -> dict[str, int]:
        """Return the smallest sizes at which a sum of axes has this value, or its largest one."""
        lows = {name: axis.low for name, axis in self.ranges.items()}
        name = expression.names[0]
        return self.fit({**lows, name: expression.largest_size(name, lows, limit=size)})

    def agree(self, one: AxisExpression, other: AxisExpression) -> bool:
        """Whether two expressions have the same value at all admitted sizes.

        Names that are no axis of this space have any size from 0 on.
        """
        any_size = AxisRange(0, 1, export=2)

        def at(name: str, number: int) -> int:
            axis = self.ranges.get(name, any_size)
            return axis.low + number * axis.step

        return one.agrees_with(other, at=at)

    def corners(self) -> list[dict[str, int]]:
        """Sizes that always run, smallest first. The export's own sizes are left out."""
        return self._fitted((*self._common_rows(), *self._rows_between(), *self._bound_rows()))

    def bound_corners(self) -> list[dict[str, int]]:
        """The corners at landmarks and ceilings, and far along lengths without any."""
        return self._fitted(self._bound_rows())

    def corners_between(self) -> list[dict[str, int]]:
        """The corners at a quarter and at three quarters of each ceiling, with one row a batch."""
        at_bounds = self.bound_corners()
        return [row for row in self._fitted(self._rows_between()) if row not in at_bounds]

    def _fitted(self, rows: Iterable[dict[str, int]]) -> list[dict[str, int]]:
        fitted = (self.fit(row) for row in rows)
        unique = {tuple(row.items()): row for row in fitted if row != self.export_sizes}
        return list(unique.values())

    def _common_rows(self) -> Iterator[dict[str, int]]:
        export = {name: axis.export for name, axis in self.ranges.items()}
        for size in (1, 2, 3):
            yield dict.fromkeys(self.ranges, size)
        for name, axis in self.ranges.items():
            if axis.low == 0:
                yield {**dict.fromkeys(self.ranges, 2), name: 0}
                yield {**export, name: 0}
                yield {**dict.fromkeys(self.ranges, 1), name: min(axis.high, _LONG_PAST)}
        yield dict(zip(self.ranges, _PRIMES, strict=False)) | dict.fromkeys(
            list(self.ranges)[len(_PRIMES) :], 23
        )
        yield {name: 2 * size for name, size in export.items()}
        yield {name: 4 * size for name, size in export.items()}
        for name, axis in self.ranges.items():
            if axis.low == 0:
                yield {**dict.fromkeys(self.ranges, 1), name: 0}

    def _rows_between(self) -> Iterator[dict[str, int]]:
        for expression, limit in self.ceilings:
            for goal in (limit // 4, limit - limit // 4):
                yield from self._rows_at(expression, (goal,), others=1)

    def _bound_rows(self) -> Iterator[dict[str, int]]:
        for expression, size in self.landmarks:
            yield from self._rows_at(expression, (size - 1, size, size + 1))
            yield self._row_by_all_axes(expression, 3 * size)
        yield from self._landmarks_together()
        for expression, limit in self.ceilings:
            yield from self._rows_at(expression, (limit // 2, limit - 1, limit))
            if len(expression.names) > 1:
                yield self._row_by_all_axes(expression, limit)
        for name, size in self._lengths_without_bound():
            yield {**dict.fromkeys(self.ranges, 2), name: size}

    def _landmarks_together(self) -> Iterator[dict[str, int]]:
        """Yield rows with all axes at a landmark of their own, if several axes have any.

        Only an image of the configured height and width needs no interpolation of positions.
        """
        marks: dict[str, list[int]] = {}
        for expression, size in self.landmarks:
            if expression.is_plain:
                marks.setdefault(expression.text, []).append(size)
        if len(marks) > 1:
            for number in range(max(map(len, marks.values()))):
                own = {name: sizes[min(number, len(sizes) - 1)] for name, sizes in marks.items()}
                yield {**dict.fromkeys(self.ranges, 2), **own}

    def _lengths_without_bound(self) -> Iterator[tuple[str, int]]:
        """Yield each length that nothing bounds, with the largest size that a description gives."""
        bounded = {name for expression, _ in self.bounds for name in expression.names}
        for name in sorted(_LENGTHS.intersection(self.ranges) - bounded):
            high = self.ranges[name].high
            yield name, _WITHOUT_END if high == AXIS_RANGES[name].high else high

    def _rows_at(
        self, expression: AxisExpression, goals: Sequence[int], *, others: int = 2
    ) -> Iterator[dict[str, int]]:
        """Rows at which a sum of axes has each of the values `goals`, by each axis in turn.

        All other axes have the size `others`, or their smallest size if that is larger.
        """
        base, lows = self._small_row(expression, others=others)
        for name in expression.names:
            for goal in goals:
                yield {**base, name: expression.largest_size(name, lows, limit=goal)}

    def _row_by_all_axes(self, expression: AxisExpression, goal: int) -> dict[str, int]:
        """A row at which the sum of axes has this value, or nearly, by about as much of each."""
        base, sizes = self._small_row(expression, others=2)
        least, count = expression.evaluate(sizes), len(expression.names)
        for number, name in enumerate(expression.names, start=1):
            limit = least + (goal - least) // count * number
            sizes[name] = expression.largest_size(name, sizes, limit=limit)
        return {**base, **sizes}

    def _small_row(
        self, expression: AxisExpression, *, others: int
    ) -> tuple[dict[str, int], dict[str, int]]:
        lows = {name: self.ranges[name].low for name in expression.names}
        return {**dict.fromkeys(self.ranges, others), **lows}, lows


def _parsed(sizes: Mapping[str, Sequence[int]], *, within: Collection[str]) -> Bounds:
    expressions = ((AxisExpression.parse(t), size) for t, many in sizes.items() for size in many)
    return tuple((e, size) for e, size in expressions if set(e.names) <= set(within))


def _require_growth(expression: AxisExpression, ranges: Mapping[str, AxisRange]) -> None:
    """Raise DescriptionError if a bounded expression does not grow with each of its axes."""
    lows = {name: ranges[name].low for name in expression.names}
    least = expression.evaluate(lows)
    for name in expression.names:
        if expression.evaluate({**lows, name: _FAR}) <= least:
            raise DescriptionError(
                f"axes {expression.text}: got a bound that {name} cannot reach, expected a value "
                f"that grows with {name}"
            )
