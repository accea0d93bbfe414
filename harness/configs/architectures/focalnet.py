"""FocalNet."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.axis_space import AxisRange
from harness.configs.strided import Grid, StridedVisionOnnxConfig, missing
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("focalnet", tasks=("feature-extraction", "image-classification", "masked-im"))
class FocalNetOnnxConfig(StridedVisionOnnxConfig):
    """FocalNet. It pads images to whole patches, and each map to even sizes.

    The head of `masked-im` restores squares alone, so its images have one size.
    """

    POOLED_AXES = {0: "batch_size"}
    FEATURES_ARE_SEQUENCE = True

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"pixel_values": {0: "batch_size"}} if self.is_square else super().inputs

    @property
    def is_square(self) -> bool:
        """Whether the model takes images of one size."""
        return self.task == "masked-im"

    @property
    def grid(self) -> Grid:
        config = self.normalized_config
        return Grid().divided(int(config.patch_size) * 2 ** (len(config.depths) - 1))

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        return {} if self.is_square else super().axis_ranges

    @property
    def attended_positions(self) -> str | None:
        return None if self.is_square else super().attended_positions

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {} if self.is_square else super().axis_landmarks

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Compute paddings by arithmetic: a branch in Python is taken as for the export's image."""
        for module in model.modules():
            if type(module).__name__ == "FocalNetPatchEmbeddings":
                vars(module)["maybe_pad"] = functools.partial(_pad_to_patches, module)
        return model


def _pad_to_patches(module: Any, pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Pad an image or a map [batch, channels, height, width] to whole patches."""
    from torch.nn.functional import pad

    rows, columns = module.patch_size
    return pad(pixels, (0, missing(width, columns), 0, missing(height, rows)))
