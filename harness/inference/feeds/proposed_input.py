"""An input of a proposed feed, and the tokens of a text that stand for other inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.configs.axes import AxisExpression


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedInput:
    """An input of `forward`.

    `axes` has one item per dimension: a number is a fixed size, a text an axis name, or an
    expression over axis names (`batch_size * grid_height * grid_width`). Integers are at least
    `low` and below `high`. `needed` says that eager refuses a feed without the input.
    """

    dtype: str
    axes: tuple[str | int, ...]
    kind: str
    low: int = 0
    high: int = 1
    needed: bool = True

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape at these sizes of axis names."""
        return tuple(
            axis if isinstance(axis, int) else AxisExpression.parse(axis).evaluate(sizes)
            for axis in self.axes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """Tokens of a text that stand for features of another modality: `count` in each row.

    `count` is an expression over axis names, or a number that was seen at the export sizes.
    """

    modality: str
    token: int
    count: str
