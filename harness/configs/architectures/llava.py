"""LLaVA: a CLIP tower whose patch features a Llama reads among its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.image_text import (
    ImageEncoderPart,
    ImageTextOnnxConfig,
    NormalizedImageTextConfig,
)
from harness.configs.task_table import IMAGE_TEXT_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


class LlavaNormalizedConfig(NormalizedImageTextConfig):
    """LLaVA reads the class token of the tower too, unless the strategy is `default`."""

    @property
    def tokens_per_image(self) -> int:
        is_default = self.config.vision_feature_select_strategy == "default"
        return super().tokens_per_image + (0 if is_default else 1)


class LlavaImageEncoderPart(ImageEncoderPart):
    """LLaVA's vision tower and its projector."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Return the features of all images as one tensor: a list would have a fixed length."""
        inner: Any = model
        inner.get_image_features = _BatchedFeatures(inner.base_model)
        return model


class _BatchedFeatures:
    """`get_image_features` of LLaVA for a batch of images of one size."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(self, pixel_values: torch.Tensor) -> Any:
        import torch
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        config = self._model.config
        layers = config.vision_feature_layer
        states = self._model.vision_tower(pixel_values, output_hidden_states=True).hidden_states
        chosen = [states[layer] for layer in ([layers] if isinstance(layers, int) else layers)]
        if config.vision_feature_select_strategy == "default":
            chosen = [state[:, 1:] for state in chosen]
        features = self._model.multi_modal_projector(torch.cat(chosen, dim=-1))
        return BaseModelOutputWithPooling(pooler_output=features)


@register("llava", tasks=IMAGE_TEXT_TASKS)
class LlavaOnnxConfig(ImageTextOnnxConfig):
    """LLaVA. Its towers take images of `image_size` squared only."""

    NORMALIZED_CONFIG_CLASS = LlavaNormalizedConfig
    VISION_PART_CLASS = LlavaImageEncoderPart
