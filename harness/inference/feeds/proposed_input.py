"""An input of a proposed feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.configs.axes import AxisExpression
from harness.configs.value_kinds import KINDS, DrawnInput


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedInput:
    """An input of `forward`.

    `axes` has one item per dimension: a number is a fixed size, a text an axis name, or an
    expression over axis names (`batch_size * grid_height * grid_width`). Integers are at least
    `low` and below `high`. `needed` says that eager refuses a feed without the input.
    """

    axes: tuple[str | int, ...]
    kind: str
    low: int = 0
    high: int = 1
    needed: bool = True

    @property
    def dtype(self) -> str:
        """The element type that the kind of the values has."""
        return KINDS[self.kind].dtype

    def drawn(self, sizes: Mapping[str, int]) -> DrawnInput:
        """Return what is drawn at these sizes of axis names."""
        return self.of_shape(self.shape(sizes), sizes)

    def of_shape(self, shape: tuple[int, ...], sizes: Mapping[str, int]) -> DrawnInput:
        """Return what is drawn in a shape, for images at these sizes of axis names."""
        sides = [sizes[name] for name in KINDS[self.kind].follows or ()]
        height, width = sides or (1, 1)
        return DrawnInput(
            kind=self.kind, shape=shape, low=self.low, high=self.high, sides=(height, width)
        )

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape at these sizes of axis names."""
        return tuple(
            axis if isinstance(axis, int) else AxisExpression.parse(axis).evaluate(sizes)
            for axis in self.axes
        )
