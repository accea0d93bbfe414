"""PP-LCNet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.block_images import DummyBlockImageInputGenerator
from harness.configs.middle_end import AnySizeVisionOnnxConfig
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.tasks import register

_STRIDE = 3
"""Where the settings of a layer hold its stride."""


class ThreeChannelsConfig(NormalizedVisionConfig):
    """An image model that states no channels, since it reads three."""

    num_channels: ClassVar[int] = 3


@register("pp_lcnet", tasks=("image-classification",))
class PPLCNetOnnxConfig(AnySizeVisionOnnxConfig):
    """PP-LCNet: depthwise convolutions and a mean over all places, for images of any size.

    Its scores of classes have the name `last_hidden_state`.
    """

    NORMALIZED_CONFIG_CLASS = ThreeChannelsConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyBlockImageInputGenerator,)

    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(last_hidden_state={0: "batch_size"})

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        config = self.normalized_config
        steps = (layer[_STRIDE] for block in config.block_configs for layer in block)
        stride = int(config.stem_stride) * math.prod(map(int, steps))
        height = AxisRange(1, 4 * stride, export=stride + 1)
        width = AxisRange(1, 4 * stride, export=2 * stride - 1)
        return {"height": height, "width": width, **super().axis_ranges}
