"""RADIO."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.dinov2 import AnySizeViTOnnxConfig
from harness.configs.base import NamedAxes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("radio", tasks=("feature-extraction",))
class RadioOnnxConfig(AnySizeViTOnnxConfig):
    """RADIO: class tokens and registers, and a table of positions for images of `max_img_size`.

    The table is fitted to the larger side of an image, and what lies beyond the other is cut off.
    The file takes images of one size, not patches of images of several.
    """

    @property
    def prefix_tokens(self) -> int:
        config = self.normalized_config
        return int(config.num_cls_tokens + config.num_registers)

    @property
    def outputs(self) -> NamedAxes:
        """The chosen class tokens, and the hidden states of the patches and of all tokens."""
        height, width = self.normalized_config.patch_height_width
        patches = f"(height // {height}) * (width // {width})"
        return NamedAxes(
            summary={0: "batch_size"},
            features={0: "batch_size", 1: patches},
            last_hidden_state={0: "batch_size", 1: self.positions},
        )

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        """The size of the table of positions, between shrinking and stretching it."""
        size = int(self.normalized_config.max_img_size)
        return {"height": (size,), "width": (size,)}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Interpolate by products with matrices. In transformers, Python finds the larger side,
        which an export takes as for its own image."""
        for module in model.modules():
            if type(module).__name__ == "RadioPatchEmbeddings":
                vars(module)["_interpolate_position_embedding"] = functools.partial(
                    _positions, module
                )
        return model


def _positions(module: Any, sizes: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Return the positions [1, patches, hidden size] of an image of these rows and columns."""
    import torch

    table = module.position_embedding.reshape(module.max_rows, module.max_cols, -1).float()
    rows, columns = (torch.arange(size) for size in sizes)
    largest = torch.maximum(rows[-1], columns[-1]) + 1
    left, right = (
        _weights(module.max_rows, rows, largest),
        _weights(module.max_cols, columns, largest),
    )
    fitted = left @ table.permute(2, 0, 1) @ right.T
    return fitted.flatten(1).T[None].to(dtype)


def _weights(before: int, places: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return weights [places, before] of linear interpolation from `before` to `after` values."""
    import torch

    sources = (before / after.float() * (places[:, None] + 0.5) - 0.5).clamp(0, before - 1)
    return (1 - (torch.arange(before) - sources).abs()).clamp(min=0)
