"""Dual encoders that are put together of any two models, such as ViT and BERT."""

from __future__ import annotations

from collections.abc import Mapping

from harness.configs.base import OnnxConfig
from harness.configs.middle_end import TextAndVisionOnnxConfig
from harness.configs.normalized_config import NormalizedConfig, NormalizedTextAndVisionConfig
from harness.configs.task_table import Axes
from harness.configs.tasks import TasksManager, register


def described(config: object) -> OnnxConfig:
    """Return the description of one of the two models."""
    constructor = TasksManager.get_exporter_config_constructor(
        "onnx", config, task="feature-extraction"
    )
    return constructor(config)


class NormalizedVisionTextDualEncoderConfig(NormalizedTextAndVisionConfig):
    """Both nested configurations, each read under the names of its own description."""

    def of_modality(self, modality: str) -> NormalizedConfig:
        """Return what a modality follows."""
        config = self.config
        nested = {"text": config.text_config, "vision": config.vision_config}
        return described(nested[modality]).normalized_config if modality in nested else self


@register("vision-text-dual-encoder", tasks=("feature-extraction",))
class VisionTextDualEncoderOnnxConfig(TextAndVisionOnnxConfig):
    """A dual encoder of two models, each with the inputs of its own description."""

    NORMALIZED_CONFIG_CLASS = NormalizedVisionTextDualEncoderConfig

    @property
    def inputs(self) -> Mapping[str, Axes]:
        texts = described(self.config.text_config).inputs
        images = described(self.config.vision_config).inputs
        return {
            **{name: {**axes, 0: "text_batch_size"} for name, axes in texts.items()},
            **{name: {**axes, 0: "image_batch_size"} for name, axes in images.items()},
        }
