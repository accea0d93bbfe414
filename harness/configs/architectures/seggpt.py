"""SegGPT: continues a picture with its mask as an example picture with a mask shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.configs.dummy_inputs import DummyInputGenerator
from harness.configs.feed_generators import Dims
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch

_IMAGES = ("pixel_values", "prompt_pixel_values", "prompt_masks")


class DummyPromptImagesInputGenerator(DummyInputGenerator):
    """A picture, an example and its mask as colours: each float32 [batch, channels, height, width],
    all sizes known but channels."""

    SUPPORTED_INPUT_NAMES = _IMAGES
    IMAGE_AXES = (1, 2, 3)
    MODALITY = "vision"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        channels = self._size(dims, 1, or_else="num_channels")
        return self._normal((dims[0], channels, dims[2], dims[3]))


@register("seggpt", tasks=("feature-extraction",))
class SegGptOnnxConfig(VisionOnnxConfig):
    """SegGPT. The example stands above the picture in one image of `image_size`.

    Prompts are instances: the kind of prompt is a text in eager, and no tensor.
    """

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyPromptImagesInputGenerator,)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {name: {0: "batch_size"} for name in _IMAGES}

    @property
    def fixed_sizes(self) -> Mapping[str, Mapping[int, int]]:
        """Half of the height of `image_size`, and its width."""
        height, width = self.normalized_config.image_height_width
        return {name: {2: height // 2, 3: width} for name in _IMAGES}
