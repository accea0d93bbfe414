"""Image models of any height and width, whose convolutions leave a grid of positions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.middle_end import AnySizeVisionOnnxConfig
from harness.configs.task_table import Axes

_EXPORT_POSITIONS = (2, 3)
_MOST_POSITIONS = (5, 7)
"""Of the last stage, in height and in width."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The positions that convolutions leave of an axis: `(pixels + offset) // stride`.

    A convolution leaves `(n + padding - kernel) // stride + 1` of n positions, and quotients of
    quotients are quotients. So the positions after any number of convolutions have this form.
    """

    stride: int = 1
    offset: int = 0

    def then(self, *, kernel: int, stride: int, padding: int = 0) -> Grid:
        """Return the grid after another convolution or pooling; `padding` is that of one side."""
        added = 2 * padding - kernel + stride
        return Grid(self.stride * stride, self.offset + self.stride * added)

    def through(
        self, kernels: Iterable[int], strides: Iterable[int], paddings: Iterable[int]
    ) -> Grid:
        """Return the grid after several convolutions, whose settings are listed in order."""
        grid = self
        for kernel, stride, padding in zip(kernels, strides, paddings, strict=True):
            grid = grid.then(kernel=kernel, stride=stride, padding=padding)
        return grid

    def divided(self, stride: int) -> Grid:
        """Return the grid after a division that rounds up: the padding is half of the kernel."""
        return self.then(kernel=1, stride=stride)

    def of(self, axis: str) -> str:
        """Return the axis expression of the positions of an axis."""
        if self.offset == self.stride - 1:
            return f"ceil({axis} / {self.stride})"
        shifted = f"({axis} {self.offset:+d})" if self.offset else axis
        return f"{shifted} // {self.stride}".replace("+", "+ ").replace("-", "- ")

    def pixels(self, positions: int) -> int:
        """Return the fewest pixels that leave so many positions."""
        return max(1, positions * self.stride - self.offset)


class StridedVisionOnnxConfig(AnySizeVisionOnnxConfig):
    """Image models of any height and width, whose last stage has the positions of `grid`.

    The features are a map [batch, channels, height, width], or a sequence of the positions if
    `FEATURES_ARE_SEQUENCE`. `POOLED_AXES` are the axes of `pooler_output`; None if the model
    returns no such output.
    """

    FEATURES_ARE_SEQUENCE: ClassVar[bool] = False
    POOLED_AXES: ClassVar[Axes | None] = None

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """The positions of the last stage."""

    @property
    def least_pixels(self) -> int:
        """The fewest pixels in height and in width with which eager runs."""
        return self.grid.pixels(1)

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "feature-extraction":
            outputs["last_hidden_state"] = self.feature_axes
            if self.POOLED_AXES is not None:
                outputs["pooler_output"] = dict(self.POOLED_AXES)
        return outputs

    @property
    def feature_axes(self) -> Axes:
        """The axes of `last_hidden_state`."""
        if self.FEATURES_ARE_SEQUENCE:
            return {0: "batch_size", 1: self.positions}
        return map_axes(self.grid)

    @property
    def attended_positions(self) -> str | None:
        return self.positions

    @property
    def positions(self) -> str:
        """The number of positions of the last stage."""
        rows, columns = (self.grid.of(axis) for axis in ("height", "width"))
        return f"({rows}) * ({columns})"

    @property
    def export_pixels(self) -> tuple[int, int]:
        """Height and width of the export, of some positions each and with pixels left over.

        An exporter takes an axis as fixed that has one position, in any stage.
        """
        grid, (rows, columns) = self.grid, _EXPORT_POSITIONS
        left_over = grid.stride // 2
        return grid.pixels(rows) + left_over, grid.pixels(columns) + left_over + 1

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        """Up to a few positions of the last stage, and at least up to the size of the export."""
        low = self.least_pixels
        rows = zip(("height", "width"), _MOST_POSITIONS, self.export_pixels, strict=True)
        own = {
            axis: AxisRange(low, max(self.grid.pixels(most), export), export=export)
            for axis, most, export in rows
        }
        return {**own, **super().axis_ranges}

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        """A single position in height or width, where an exporter may take the axis as fixed."""
        return {self.grid.of(axis): (2,) for axis in ("height", "width")}


def map_axes(grid: Grid) -> Axes:
    """Return the axes of a map [batch, channels, height, width] of these positions."""
    return {0: "batch_size", 2: grid.of("height"), 3: grid.of("width")}


def missing(size: int, multiple: int) -> int:
    """Return how many positions are missing to a multiple, by arithmetic that exporters follow."""
    return (size + multiple - 1) // multiple * multiple - size
