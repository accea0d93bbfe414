"""The text detectors of PP-OCRv5 and PP-OCRv6."""

from __future__ import annotations

from collections.abc import Mapping

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.block_images import DummyBlockImageInputGenerator
from harness.configs.middle_end import AnySizeVisionOnnxConfig
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.rows import Row, register_rows
from harness.configs.tasks import register

_FIRST, _LEVELS = 4, 4
"""Pixels of a place of the first level, in height and in width, and the number of levels, of which
each but the first halves them. Necks and heads are written for these numbers."""

_RGB = 3


class NormalizedDetectorConfig(NormalizedVisionConfig):
    """A detector whose backbone states the channels, or takes colours alone."""

    @property
    def num_channels(self) -> int:
        return int(getattr(self.config.backbone_config, "num_channels", _RGB))


@register("pp_ocrv5_server_det", tasks=("object-detection",))
class PPOCRV5ServerDetOnnxConfig(AnySizeVisionOnnxConfig):
    """PP-OCRv5's server detector: how likely each pixel is text, under `last_hidden_state`.

    Height and width are multiples of the stride of the last stage, since features of all stages
    are enlarged onto each other by whole factors.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedDetectorConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyBlockImageInputGenerator,)

    @property
    def outputs(self) -> NamedAxes:
        if self.task == "feature-extraction":
            sizes = {2: f"height // {_FIRST}", 3: f"width // {_FIRST}"}
        else:
            sizes = {2: "height", 3: "width"}
        return NamedAxes(last_hidden_state={0: "batch_size"} | sizes)

    @property
    def stride(self) -> int:
        """Pixels of a place of the last level."""
        return int(_FIRST * 2 ** (_LEVELS - 1))

    @property
    def attended_positions(self) -> str | None:
        """Of the last stage, since nothing attends."""
        return f"(height // {self.stride}) * (width // {self.stride})"

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        stride = self.stride
        height = AxisRange(stride, 5 * stride, export=2 * stride, step=stride)
        width = AxisRange(stride, 5 * stride, export=3 * stride, step=stride)
        return {"height": height, "width": width, **super().axis_ranges}


_TASKS = ("feature-extraction", "object-detection")

register_rows(
    PPOCRV5ServerDetOnnxConfig,
    Row("pp_ocrv5_mobile_det", "PPOCRV5MobileDet", ("object-detection",), "its backbone is small"),
    Row("pp_ocrv6_medium_det", "PPOCRV6MediumDet", _TASKS, "features of all levels are the output"),
    Row("pp_ocrv6_small_det", "PPOCRV6SmallDet", _TASKS, "its neck has depthwise convolutions"),
)
