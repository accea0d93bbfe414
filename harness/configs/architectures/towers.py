"""Towers of dual encoders: each embeds images, or texts, alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from harness.configs.architectures.clip import (
    DummyCLIPTextInputGenerator,
    patches_of_image,
    sizes_of_images,
)
from harness.configs.architectures.vit import ViTOnnxConfig
from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.feed_generators import FeedGenerators
from harness.configs.middle_end import TextEncoderOnnxConfig, VisionOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import Axes
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


register_rows(
    ViTOnnxConfig,
    Row(
        "sam_vision_model",
        "SamVisionModel",
        TOWER_TASKS,
        "attends within windows, and keeps the features of patches in a grid",
    ),
)


@register("aimv2_vision_model", tasks=TOWER_TASKS)
class Aimv2VisionModelOnnxConfig(CLIPVisionModelOnnxConfig):
    """AIMv2's vision tower. If it computes its positions, height and width are dynamic."""

    DIVIDED_AXES = frozenset({"height", "width"})

    @property
    def takes_any_size(self) -> bool:
        """Whether height and width are free."""
        return bool(self.config.is_native)

    @property
    def tokens_besides_patches(self) -> int:
        """The positions that stand for no patch."""
        return 0

    @property
    def inputs(self) -> Mapping[str, Axes]:
        sizes = {2: "height", 3: "width"} if self.takes_any_size else {}
        return {"pixel_values": {0: "batch_size", **sizes}}

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.takes_any_size:
            outputs["last_hidden_state"][1] = self.positions
        return outputs

    @property
    def positions(self) -> str:
        """The number of positions of an image."""
        return f"{patches_of_image(self.config)} + {self.tokens_besides_patches}"

    @property
    def attended_positions(self) -> str | None:
        return self.positions if self.takes_any_size else None

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        return {**sizes_of_images(self.config), **super().axis_ranges}


@register("mlcd_vision_model", tasks=TOWER_TASKS)
class MLCDVisionModelOnnxConfig(Aimv2VisionModelOnnxConfig):
    """MLCD: rotates queries and keys by their places, so height and width are dynamic."""

    @property
    def takes_any_size(self) -> bool:
        return True

    @property
    def tokens_besides_patches(self) -> int:
        return 1


@register("clip_text_model", tasks=TOWER_TASKS)
class CLIPTextModelOnnxConfig(TextEncoderOnnxConfig):
    """CLIP's text tower: causal, and pooled where a text ends."""

    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyCLIPTextInputGenerator,)

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        outputs["pooler_output"] = {0: "batch_size"}
        return outputs
