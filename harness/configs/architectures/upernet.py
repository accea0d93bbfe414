"""UperNet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.swin_windows import decide_by_arithmetic
from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.block_images import DummyBlockImageInputGenerator
from harness.configs.middle_end import AnySizeVisionOnnxConfig
from harness.configs.normalized_config import NormalizedBackboneConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

_DOUBLED = 2
_STEM = 4
"""Pixels of a place of the first stage of a backbone without patches, such as ResNet."""


@register("upernet", tasks=("semantic-segmentation",))
class UperNetOnnxConfig(AnySizeVisionOnnxConfig):
    """UperNet: pools the last stage of a backbone at several scales, for images of any size."""

    NORMALIZED_CONFIG_CLASS = NormalizedBackboneConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyBlockImageInputGenerator,)

    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(logits={0: "batch_size", 2: "height", 3: "width"})

    @property
    def stride(self) -> int:
        """Pixels of a place of the last stage: each stage of the backbone halves them."""
        backbone = self.normalized_config.backbone_config
        first = int(getattr(backbone, "patch_size", _STEM))
        return int(first * _DOUBLED ** (len(backbone.depths) - 1))

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        half, high = self.stride // 2, 6 * self.stride
        height = AxisRange(1, high, export=3 * half)
        width = AxisRange(1, high, export=7 * half)
        return {"height": height, "width": width, **super().axis_ranges}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Pool by a product with weights of bins. ONNX has no pooling to a number of bins, and
        exporters write one for the size of their own image, or none."""
        replace_forward(model, "AdaptiveAvgPool2d", _pool)
        return decide_by_arithmetic(model)


def _pool(module: Any, features: torch.Tensor) -> torch.Tensor:
    """Return the means of bins [batch, channels, bins, bins] of features."""
    height, width = features.shape[2:]
    bins = int(module.output_size)
    pooled: torch.Tensor = _weights(bins, height) @ features @ _weights(bins, width).T
    return pooled


def _weights(bins: int, size: int) -> torch.Tensor:
    """Return the weight of each place in each bin [bins, size].

    Bin `i` reaches from `floor(i * size / bins)` to below `ceil((i + 1) * size / bins)`, as in
    `torch.nn.AdaptiveAvgPool2d`.
    """
    import torch

    numbers, places = torch.arange(bins)[:, None], torch.arange(size)[None, :]
    starts, ends = numbers * size // bins, ((numbers + 1) * size + bins - 1) // bins
    is_inside = (places >= starts) & (places < ends)
    return is_inside.float() / (ends - starts).float()
