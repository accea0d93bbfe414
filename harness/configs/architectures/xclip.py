"""X-CLIP."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.configs.architectures.clip import DummyCLIPTextInputGenerator
from harness.configs.base import NamedAxes
from harness.configs.dummy_inputs import DummyVisionInputGenerator
from harness.configs.feed_generators import Dims
from harness.configs.middle_end import TextAndVisionOnnxConfig
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch


class DummyVideoInputGenerator(DummyVisionInputGenerator):
    """Videos: float32 [batch, frames, channels, height, width], as many frames as the model has."""

    IMAGE_AXES = (2, 3, 4)

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        frames = self.normalized_config.num_frames
        pixels = super().generate(name, {0: dims[0] * frames})
        return pixels.reshape(dims[0], frames, *pixels.shape[1:])


@register("xclip", tasks=("feature-extraction",))
class XCLIPOnnxConfig(TextAndVisionOnnxConfig):
    """X-CLIP: scores texts against videos of a fixed number of frames.

    Each video changes the embeddings of the texts, so there is one for each pair.
    """

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyCLIPTextInputGenerator, DummyVideoInputGenerator)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {**super().inputs, "pixel_values": {0: "video_batch_size"}}

    @property
    def outputs(self) -> NamedAxes:
        pairs = {0: "video_batch_size", 1: "text_batch_size"}
        return OrderedDict(
            logits_per_video=dict(pairs),
            logits_per_text={0: "text_batch_size", 1: "video_batch_size"},
            text_embeds=dict(pairs),
            video_embeds={0: "video_batch_size"},
        )
