"""SegFormer, and relatives whose stages attend to fewer keys than they have positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.rows import Row, register_rows
from harness.configs.strided import Grid, StridedVisionOnnxConfig, map_axes
from harness.configs.tasks import register


@register(
    "segformer", tasks=("feature-extraction", "image-classification", "semantic-segmentation")
)
class SegformerOnnxConfig(StridedVisionOnnxConfig):
    """SegFormer. Each stage divides height and width, and attends to keys of which a convolution
    without padding makes one of `sr_ratio` times `sr_ratio`: there must be so many positions."""

    @property
    def grids(self) -> tuple[Grid, ...]:
        """The positions of each stage."""
        config, grids = self.normalized_config, [Grid()]
        for kernel, stride in zip(config.patch_sizes, config.strides, strict=True):
            grids.append(grids[-1].then(kernel=kernel, stride=stride, padding=kernel // 2))
        return tuple(grids[1:])

    @property
    def grid(self) -> Grid:
        return self.grids[-1]

    @property
    def least_pixels(self) -> int:
        return self._pixels_of_keys(1)

    @property
    def export_pixels(self) -> tuple[int, int]:
        """With a single key in height or width, exporters take the number of keys as fixed."""
        height, width = super().export_pixels
        return max(height, self._pixels_of_keys(2) + 4), max(width, self._pixels_of_keys(3) + 5)

    def _pixels_of_keys(self, number: int) -> int:
        """Return the fewest pixels with which each stage has so many keys in height or width."""
        ratios = self.normalized_config.sr_ratios
        return max(
            grid.pixels(number * ratio) for grid, ratio in zip(self.grids, ratios, strict=True)
        )

    @property
    def attended_positions(self) -> str:
        rows, columns = (self.grids[0].of(axis) for axis in ("height", "width"))
        return f"({rows}) * ({columns})"

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "semantic-segmentation":
            outputs["logits"] = map_axes(self.grids[0])
        return outputs


register_rows(
    SegformerOnnxConfig,
    Row(
        "pvt_v2",
        "PvtV2",
        ("feature-extraction", "image-classification"),
        "`linear_attention` may pool keys instead, and then takes smaller images too",
    ),
)


@register("glpn", tasks=("depth-estimation", "feature-extraction"))
class GLPNOnnxConfig(SegformerOnnxConfig):
    """GLPN: SegFormer with a decoder of depths, which doubles the map of each stage and adds it to
    the map of the stage before. So each stage has exactly half of the positions before it."""

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "depth-estimation":
            doubled = 2 ** (len(self.grids) + 1)
            rows, columns = (f"{doubled} * ({self.grid.of(axis)})" for axis in ("height", "width"))
            outputs["predicted_depth"] = {0: "batch_size", 1: rows, 2: columns}
        return outputs

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        ranges = super().axis_ranges
        if self.task != "depth-estimation":
            return ranges
        return {axis: _in_steps(one, self.grid.stride) for axis, one in ranges.items()}


def _in_steps(one: AxisRange, step: int) -> AxisRange:
    """Return a range of multiples of a step, each size rounded up."""
    low, high, export = (-(-size // step) * step for size in (one.low, one.high, one.export))
    return replace(one, low=low, high=high, export=export, step=step)
