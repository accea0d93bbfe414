"""The text detector of PP-OCRv5."""

from __future__ import annotations

from collections.abc import Mapping

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.block_images import DummyBlockImageInputGenerator
from harness.configs.middle_end import AnySizeVisionOnnxConfig
from harness.configs.normalized_config import NormalizedBackboneConfig
from harness.configs.tasks import register

_STEM = 4
"""Pixels of a place behind the stem of HGNet V2 (`stem_strides`), in height and in width."""


@register("pp_ocrv5_server_det", tasks=("object-detection",))
class PPOCRV5ServerDetOnnxConfig(AnySizeVisionOnnxConfig):
    """PP-OCRv5's server detector: how likely each pixel is text, under `last_hidden_state`.

    Height and width are multiples of the stride of the last stage, since features of all stages
    are enlarged onto each other by whole factors.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedBackboneConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyBlockImageInputGenerator,)

    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(last_hidden_state={0: "batch_size", 2: "height", 3: "width"})

    @property
    def stride(self) -> int:
        """Pixels of a place of the last stage: each stage but the first halves them."""
        return int(
            _STEM * 2 ** (len(self.normalized_config.backbone_config.stage_out_channels) - 1)
        )

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
