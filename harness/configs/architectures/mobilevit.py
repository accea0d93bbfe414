"""MobileViT and MobileViTV2, which attend between patches of a map."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.strided import Grid, StridedVisionOnnxConfig, map_axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

_TASKS = ("feature-extraction", "image-classification", "semantic-segmentation")


@register("mobilevit", tasks=_TASKS)
class MobileViTOnnxConfig(StridedVisionOnnxConfig):
    """MobileViT. It stretches maps to whole patches, and back afterwards.

    Stages halve up to `output_stride`, then dilate.
    """

    POOLED_AXES = {0: "batch_size"}

    @property
    def grid(self) -> Grid:
        return Grid().divided(int(self.normalized_config.output_stride))

    @property
    def attended_positions(self) -> str:
        return "ceil(height / 8) * ceil(width / 8)"

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "semantic-segmentation":
            outputs["logits"] = map_axes(self.grid)
        return outputs

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Stretch every map, one of whole patches to its own size. In transformers a branch in
        Python decides, which an export takes as for its own image."""
        for module in model.modules():
            if type(module).__name__ == "MobileViTLayer":
                vars(module)["unfolding"] = functools.partial(_patches, module)
        return model


@register("mobilevitv2", tasks=_TASKS)
class MobileViTV2OnnxConfig(MobileViTOnnxConfig):
    """MobileViTV2. Eager refuses maps that are not of whole patches, in each stage that attends."""

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        config = self.normalized_config
        step = int(config.output_stride * config.patch_size)
        height = AxisRange(step, 4 * step, export=2 * step, step=step)
        width = AxisRange(step, 5 * step, export=3 * step, step=step)
        return {"height": height, "width": width}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Cut maps into patches by reshapes. TorchScript has no `fold` to a free size, and other
        exporters need opset 18 for it."""
        for module in model.modules():
            if type(module).__name__ == "MobileViTV2Layer":
                vars(module)["unfolding"] = functools.partial(_cut, module)
                vars(module)["folding"] = functools.partial(_join, module)
        return model


def _patches(module: Any, features: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
    """Return a map [batch, channels, height, width] as [batch * pixels of a patch, patches,
    channels], and the sizes that `folding` needs."""
    from torch.nn.functional import interpolate

    batch, channels, height, width = features.shape
    size = module.patch_height
    rows, columns = (height + size - 1) // size, (width + size - 1) // size
    whole = interpolate(
        features, size=(rows * size, columns * size), mode="bilinear", align_corners=False
    )
    patches = whole.reshape(batch * channels * rows, size, columns, size).transpose(1, 2)
    patches = patches.reshape(batch, channels, rows * columns, size * size).transpose(1, 3)
    sizes = {
        "orig_size": (height, width),
        "batch_size": batch,
        "channels": channels,
        "interpolate": True,
        "num_patches": rows * columns,
        "num_patches_width": columns,
        "num_patches_height": rows,
    }
    return patches.reshape(batch * size * size, rows * columns, channels), sizes


def _cut(module: Any, features: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
    """Return a map [batch, channels, height, width] as [batch, channels, pixels of a patch,
    patches], and its height and width."""
    batch, channels, height, width = features.shape
    size = module.patch_height
    blocks = features.reshape(batch, channels, height // size, size, width // size, size)
    patches = blocks.permute(0, 1, 3, 5, 2, 4)
    return patches.reshape(batch, channels, size * size, -1), (height, width)


def _join(module: Any, patches: torch.Tensor, sizes: tuple[int, int]) -> torch.Tensor:
    """Return the map of patches [batch, channels, pixels of a patch, patches]."""
    batch, channels = patches.shape[:2]
    (height, width), size = sizes, module.patch_height
    blocks = patches.reshape(batch, channels, size, size, height // size, width // size)
    return blocks.permute(0, 1, 4, 2, 5, 3).reshape(batch, channels, height, width)
