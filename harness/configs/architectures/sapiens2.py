"""Sapiens2: a ViT with rotary positions for pictures of people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.architectures.dinov2 import AnySizeViTOnnxConfig
from harness.configs.base import NamedAxes
from harness.configs.replaced_functions import replace_forward
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("sapiens2", tasks=("feature-extraction", "semantic-segmentation"))
class Sapiens2OnnxConfig(AnySizeViTOnnxConfig):
    """Sapiens2. Each layer of the head for segmentation doubles the rows and columns of patches."""

    @property
    def prefix_tokens(self) -> int:
        return 1 + int(self.normalized_config.num_register_tokens)

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "semantic-segmentation":
            height, width = self.normalized_config.patch_height_width
            scale = 2 ** len(self.normalized_config.head_config.upsample_out_channels)
            outputs["logits"] |= {2: f"{scale} * (height // {height})"}
            outputs["logits"] |= {3: f"{scale} * (width // {width})"}
        return outputs

    def patch_model_for_export(self, model: Any) -> nn.Module:
        """Compute attention without `scaled_dot_product_attention`: TorchScript has no operator for
        one whose queries share keys, nor for `InstanceNorm2d` of channels that it does not know."""
        model.set_attn_implementation("eager")
        replace_forward(model, "InstanceNorm2d", _normalize)
        return super().patch_model_for_export(model)


def _normalize(module: Any, features: torch.Tensor) -> torch.Tensor:
    """Return maps [batch, channels, height, width] whose channels have mean 0 and variance 1."""
    centred = features - features.mean((2, 3), keepdim=True)
    variance = centred.square().mean((2, 3), keepdim=True)
    return centred * (variance + module.eps).rsqrt()
