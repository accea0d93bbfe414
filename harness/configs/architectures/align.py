"""ALIGN."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from harness.configs.architectures.clip import SCORING_TASKS, ChineseCLIPOnnxConfig
from harness.configs.axis_space import AxisRange
from harness.configs.task_table import Axes
from harness.configs.tasks import register


@register("align", tasks=SCORING_TASKS)
class AlignOnnxConfig(ChineseCLIPOnnxConfig):
    """ALIGN: a BERT reads the texts and an EfficientNet the images, whose size is free."""

    DIVIDED_AXES = frozenset({"height", "width"})

    @property
    def inputs(self) -> Mapping[str, Axes]:
        pixels = {0: "image_batch_size", 2: "height", 3: "width"}
        return {**super().inputs, "pixel_values": pixels}

    @property
    def stride(self) -> int:
        """Pixels of a position of the last stage: the stem halves the image first."""
        return int(2 * prod(self.config.vision_config.strides))

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        low, high = self.stride, 7 * self.stride
        return {
            "height": AxisRange(low, high, export=3 * low + 1),
            "width": AxisRange(low, high, export=5 * low - 1),
            **super().axis_ranges,
        }
