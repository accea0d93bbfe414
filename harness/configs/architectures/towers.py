"""Towers of dual encoders: each embeds images, or texts, alone."""

from __future__ import annotations

from typing import ClassVar

from harness.configs.architectures.clip import DummyCLIPTextInputGenerator
from harness.configs.base import NamedAxes
from harness.configs.feed_generators import FeedGenerators
from harness.configs.middle_end import TextEncoderOnnxConfig, VisionOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.tasks import register

TOWER_TASKS = ("feature-extraction",)


@register("clip_vision_model", tasks=TOWER_TASKS)
class CLIPVisionModelOnnxConfig(VisionOnnxConfig):
    """CLIP's vision tower: the patches of an image, and the image as a whole.

    Eager refuses any image that is not `image_size` squared, so only the batch is dynamic.
    """

    @property
    def pools(self) -> bool:
        """Whether the tower embeds the image as a whole: some do so only with a head for it."""
        settings = (getattr(self.config, name, True) for name in ("use_head", "vision_use_head"))
        return all(settings)

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.pools:
            outputs["pooler_output"] = {0: "batch_size"}
        return outputs


register_rows(
    CLIPVisionModelOnnxConfig,
    Row("siglip_vision_model", "SiglipVisionModel", TOWER_TASKS, "pools by attention"),
    Row(
        "chinese_clip_vision_model",
        "ChineseCLIPVisionModel",
        TOWER_TASKS,
        "has weights for Chinese texts",
    ),
)


@register("clip_text_model", tasks=TOWER_TASKS)
class CLIPTextModelOnnxConfig(TextEncoderOnnxConfig):
    """CLIP's text tower: causal, and pooled where a text ends."""

    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyCLIPTextInputGenerator,)

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        outputs["pooler_output"] = {0: "batch_size"}
        return outputs
