"""DINOv2, and other ViTs that take images of any size."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.middle_end import AnySizeVisionOnnxConfig
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

CLASSIFYING_TASKS = ("feature-extraction", "image-classification")


class AnySizeViTOnnxConfig(AnySizeVisionOnnxConfig):
    """ViTs for images of any size in whole patches. Only pre-training masks patches."""

    @property
    def prefix_tokens(self) -> int:
        """Number of tokens before the tokens of patches: by default the class token alone."""
        return 1

    @property
    def positions(self) -> str:
        """Axis expression of the number of tokens."""
        height, width = self.normalized_config.patch_height_width
        return f"{self.prefix_tokens} + (height // {height}) * (width // {width})"

    @property
    def attended_positions(self) -> str | None:
        return self.positions

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "feature-extraction":
            outputs["last_hidden_state"][1] = self.positions
            outputs["pooler_output"] = {0: "batch_size"}
        return outputs

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        height, width = self.normalized_config.patch_height_width
        return {
            "height": AxisRange(height, 9 * height, export=5 * height, step=height),
            "width": AxisRange(width, 9 * width, export=4 * width, step=width),
            **super().axis_ranges,
        }


class InterpolatedViTOnnxConfig(AnySizeViTOnnxConfig):
    """ViTs that interpolate their table of positions.

    Some use the table as it is for images of `image_size`, so an export at that size may lack the
    interpolation. Export sizes are not square, and so differ from it.
    """

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        """The size of the table of positions, between shrinking and stretching it."""
        height, width = self.normalized_config.image_height_width
        return {"height": (height,), "width": (width,)}


@register("dinov2", tasks=CLASSIFYING_TASKS)
class Dinov2OnnxConfig(InterpolatedViTOnnxConfig):
    """DINOv2."""


@register("dinov2_with_registers", tasks=CLASSIFYING_TASKS)
class Dinov2WithRegistersOnnxConfig(InterpolatedViTOnnxConfig):
    """DINOv2 with register tokens. It interpolates its positions with antialiasing."""

    @property
    def prefix_tokens(self) -> int:
        return 1 + int(self.normalized_config.num_register_tokens)

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Interpolate by products with matrices: TorchScript has no bicubic interpolation with
        antialiasing, and files of dynamo give it the number of patches of the export."""
        return positions_by_weights(model, "Dinov2WithRegistersEmbeddings")


@register("pixio", tasks=("feature-extraction",))
class PixioOnnxConfig(InterpolatedViTOnnxConfig):
    """Pixio: several class tokens, whose mean is the pooled output."""

    @property
    def prefix_tokens(self) -> int:
        return int(self.normalized_config.n_cls_tokens)


@register("dinov3_vit", tasks=("feature-extraction",))
class DINOv3ViTOnnxConfig(AnySizeViTOnnxConfig):
    """DINOv3: rotary positions, which follow the centres of patches, and register tokens."""

    @property
    def prefix_tokens(self) -> int:
        return 1 + int(self.normalized_config.num_register_tokens)


def positions_by_weights(model: nn.Module, kind: str) -> nn.Module:
    """Return the model, whose embeddings of a class interpolate positions by products with
    matrices."""
    for module in model.modules():
        if type(module).__name__ == kind:
            vars(module)["interpolate_pos_encoding"] = functools.partial(_positions, module)
    return model


def _positions(module: Any, embeddings: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the positions [1, 1 + patches, hidden size] of an image of this size, in pixels."""
    import torch

    table = module.position_embeddings
    first, side = table[:, :1], round(module.patch_embeddings.num_patches**0.5)
    rows, columns = module.patch_embeddings.patch_size
    squares = table[:, 1:].reshape(side, side, -1).permute(2, 0, 1)
    fitted = _weights(side, height // rows) @ squares @ _weights(side, width // columns).T
    return torch.cat((first, fitted.flatten(1).T[None]), dim=1)


def _weights(before: int, after: int) -> torch.Tensor:
    """Return the weights [after, before] of bicubic interpolation along one axis.

    As in PyTorch with antialiasing: the kernel of Keys with a = -0.5 widens if values get fewer,
    and the weights of the values within the image sum up to 1.
    """
    import torch

    places = torch.arange(after)
    step = before / (places[-1] + 1).float()
    distances = torch.arange(before) + 0.5 - step * (places[:, None] + 0.5)
    x = distances.abs() / step.clamp(min=1)
    near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
    return weights / weights.sum(dim=-1, keepdim=True)
