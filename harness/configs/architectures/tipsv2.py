"""TIPSv2 and its towers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.clip import SCORING_TASKS, CLIPSegOnnxConfig
from harness.configs.architectures.towers import (
    TOWER_TASKS,
    CLIPTextModelOnnxConfig,
    MLCDVisionModelOnnxConfig,
)
from harness.configs.dummy_inputs import DummyVisionInputGenerator
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("tipsv2", tasks=SCORING_TASKS)
class Tipsv2OnnxConfig(CLIPSegOnnxConfig):
    """TIPSv2: averages the tokens of a text that its mask shows, and resizes its positions to each
    image."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyVisionInputGenerator)

    @property
    def attended_positions(self) -> str:
        return f"{super().attended_positions} + {self.config.vision_config.num_register_tokens}"

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        return resize_by_weights(model)


@register("tipsv2_vision_model", tasks=TOWER_TASKS)
class Tipsv2VisionModelOnnxConfig(MLCDVisionModelOnnxConfig):
    """TIPSv2's vision tower: resizes its positions to each image, and adds registers."""

    @property
    def tokens_besides_patches(self) -> int:
        return 1 + int(self.config.num_register_tokens)

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        return resize_by_weights(model)


@register("tipsv2_text_model", tasks=TOWER_TASKS)
class Tipsv2TextModelOnnxConfig(CLIPTextModelOnnxConfig):
    """TIPSv2's text tower: averages the tokens that the mask shows."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator,)


def resize_by_weights(model: nn.Module) -> nn.Module:
    """Resize the positions of the exporter's copy by products of matrices: exporters have no
    operator for a resize with an antialiasing filter."""
    for module in model.modules():
        if type(module).__name__ == "Tipsv2VisionEmbeddings":
            vars(module)["interpolate_pos_encoding"] = functools.partial(_positions, module)
    return model


def _positions(module: Any, embeddings: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the positions [1, 1 + patches, width] of an image of these pixels."""
    import torch

    known = module.position_embeddings
    grid = int((known.shape[1] - 1) ** 0.5)
    rows, columns = (_weights(grid, size // module.patch_size) for size in (height, width))
    patches = known[0, 1:].reshape(grid, grid, -1)
    resized = torch.einsum("hg,gkd,wk->hwd", rows, patches, columns)
    return torch.cat([known[:, :1], resized.flatten(0, 1)[None]], dim=1)


def _weights(grid: int, size: int) -> torch.Tensor:
    """Return how much each of `grid` places counts for each of `size` places [size, grid].

    The filter is a triangle that is as wide as the step between places, and at least 1, as in
    `torch.nn.functional.interpolate` (bilinear, antialias).
    """
    import torch

    places = torch.arange(size)
    step = grid / (places[-1] + 1).float()
    centres = (places.float() + 0.5) * step - 0.5
    distances = (torch.arange(grid).float() - centres[:, None]).abs()
    weights = (1 - distances / step.clamp(min=1)).clamp(min=0)
    return weights / weights.sum(dim=1, keepdim=True)
