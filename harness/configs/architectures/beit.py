"""BEiT, and Data2Vec for images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.dinov2 import InterpolatedViTOnnxConfig
from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.replaced_functions import replace_forward
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

TASKS = ("feature-extraction", "image-classification", "semantic-segmentation")
_SCALE = 4
"""Rows and columns of the finest features, for each patch."""


@register("beit", tasks=TASKS)
class BeitOnnxConfig(InterpolatedViTOnnxConfig):
    """BEiT: a bias of attention follows from the distance of patches. It is interpolated to images
    of any size, as are absolute positions."""

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "semantic-segmentation":
            height, width = self.normalized_config.patch_height_width
            outputs["logits"][2] = f"{_SCALE} * (height // {height})"
            outputs["logits"][3] = f"{_SCALE} * (width // {width})"
        return outputs

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        """The head of `semantic-segmentation` halves the features, so it needs two patches."""
        ranges = super().axis_ranges
        if self.task != "semantic-segmentation":
            return ranges
        return {n: dataclasses.replace(one, low=2 * one.step) for n, one in ranges.items()}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Pool by products with matrices: exporters know the pooling of an image of one size."""
        return replace_forward(model, "AdaptiveAvgPool2d", _pooled)


@register("data2vec-vision", tasks=TASKS)
class Data2VecVisionOnnxConfig(BeitOnnxConfig):
    """Data2Vec for images, which has no pooling layer.

    The head of `semantic-segmentation` takes images of `image_size` alone.
    """

    @property
    def inputs(self) -> Mapping[str, Axes]:
        if self.task == "semantic-segmentation":
            return {"pixel_values": {0: "batch_size"}}
        return super().inputs

    @property
    def attended_positions(self) -> str | None:
        return None if self.task == "semantic-segmentation" else self.positions

    @property
    def outputs(self) -> NamedAxes:
        if self.task == "semantic-segmentation":
            return NamedAxes(logits={0: "batch_size"})
        outputs = super().outputs
        outputs.pop("pooler_output", None)
        return outputs


def _pooled(module: Any, features: torch.Tensor) -> torch.Tensor:
    """Return the means of features [batch, channels, height, width] within a grid of boxes."""
    rows, columns = (_means(size, module.output_size) for size in features.shape[2:])
    return rows @ features @ columns.T


def _means(before: int, after: int) -> torch.Tensor:
    """Return the weights [after, before] of the means within boxes, which may overlap."""
    import torch

    places, boxes = torch.arange(before), torch.arange(after)[:, None]
    size = places[-1] + 1
    first, last = boxes * size // after, ((boxes + 1) * size + after - 1) // after
    within = ((places >= first) & (places < last)).float()
    return within / within.sum(dim=-1, keepdim=True)
