"""LW-DETR and RF-DETR, whose backbone is a ViT that attends within windows of patches."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.detr import DetrOnnxConfig, boxes_of_places, shrunk_mask
from harness.configs.architectures.dinov2 import positions_by_weights
from harness.configs.axis_space import AxisRange
from harness.configs.normalized_config import NormalizedBackboneConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

_TASKS = ("feature-extraction", "object-detection")


@register("lw_detr", tasks=_TASKS)
class LwDetrOnnxConfig(DetrOnnxConfig):
    """LW-DETR. Height and width are multiples of the windows, of which a side has a fixed number.

    Queries are the places with the best scores, so the largest image of a batch has at least as
    many places as there are queries. In smaller ones, padding is chosen too, and is the same
    everywhere.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedBackboneConfig

    @property
    def windows(self) -> int:
        """Number of windows along each side of an image."""
        return int(self.normalized_config.backbone_config.num_windows_side)

    @property
    def scales(self) -> Sequence[float]:
        """The rows and columns of each level of the pyramid, as multiples of the patches' own."""
        scales: Sequence[float] = self.normalized_config.projector_scale_factors
        return scales

    @property
    def stride(self) -> int:
        """Pixels of a patch."""
        return int(self.normalized_config.backbone_config.patch_size)

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        step, queries = self.stride * self.windows, self.normalized_config.num_queries
        least = next(n for n in itertools.count(1) if self._places(n * self.windows) >= queries)
        low, high = least * step, (least + 6) * step
        return {
            "height": AxisRange(low, high, export=(least + 1) * step, step=step),
            "width": AxisRange(low, high, export=(least + 3) * step, step=step),
            **self.AXIS_RANGES,
        }

    def _places(self, patches: int) -> int:
        """Return the places of all levels of an image with so many patches along each side."""
        return sum(max(1, int(patches * scale)) ** 2 for scale in self.scales)

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return {}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Shrink masks as for DETR, and compute centres of places without `linspace`."""
        replace_forward(model, "LwDetrConvEncoder", _levels_and_masks)
        return _propose_by_numbers(model)


@register("rf_detr", tasks=_TASKS)
class RfDetrOnnxConfig(LwDetrOnnxConfig):
    """RF-DETR: a DINOv2 with windows, and one level of features."""

    @property
    def windows(self) -> int:
        return int(self.normalized_config.backbone_config.num_windows)

    @property
    def scales(self) -> Sequence[float]:
        return (1.0,)

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Interpolate positions by products with matrices too: exporters have no antialiasing."""
        replace_forward(model, "RfDetrConvEncoder", _feature_and_mask)
        positions_by_weights(model, "RfDetrDinov2Embeddings")
        return _propose_by_numbers(model)


def _propose_by_numbers(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if hasattr(module, "gen_encoder_output_proposals"):
            vars(module)["gen_encoder_output_proposals"] = _proposals
    return model


def _levels_and_masks(
    module: Any, pixel_values: torch.Tensor, pixel_mask: torch.Tensor
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the features of each level [batch, channels, height, width] and their mask."""
    features = module.projector(module.backbone(pixel_values).feature_maps)
    return [(one, shrunk_mask(pixel_mask, one.shape[-2:]).bool()) for one in features]


def _feature_and_mask(
    module: Any, pixel_values: torch.Tensor, pixel_mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the features [batch, channels, height, width] and their mask."""
    features = module.projector(module.backbone(pixel_values).feature_maps)
    return features, shrunk_mask(pixel_mask, features.shape[-2:]).bool()


def _proposals(
    features: torch.Tensor, padding: torch.Tensor, sizes: Sequence[Sequence[Any]]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the features of places [batch, places, width], a box for each [batch, places, 4], and
    which places have none [batch, places, 1]: there, both are zeros."""
    boxes, hidden = boxes_of_places(features, padding, sizes)
    return features.masked_fill(hidden, 0.0), boxes.masked_fill(hidden, 0.0), hidden
