"""MobileNet V1 and V2, and EfficientNet."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from harness.configs.base import NamedAxes
from harness.configs.replaced_functions import calling_instead, replace_forward
from harness.configs.strided import Grid, StridedVisionOnnxConfig, map_axes, missing
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("mobilenet_v1", tasks=("feature-extraction", "image-classification"))
class MobileNetV1OnnxConfig(StridedVisionOnnxConfig):
    """MobileNet V1, which halves five times. If `tf_padding`, it pads as TensorFlow does:
    whatever is missing to whole strides. Sizes are rounded up either way."""

    POOLED_AXES = {0: "batch_size"}

    @property
    def grid(self) -> Grid:
        return Grid().divided(self.stride)

    @property
    def stride(self) -> int:
        """Pixels of a position of the last stage, in height and in width."""
        return 32

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Compute paddings by arithmetic: a branch in Python is taken as for the export's image."""
        calling_instead(model, "apply_tf_padding", lambda _: _pad_to_strides)
        return model


@register(
    "mobilenet_v2", tasks=("feature-extraction", "image-classification", "semantic-segmentation")
)
class MobileNetV2OnnxConfig(MobileNetV1OnnxConfig):
    """MobileNet V2, which halves up to `output_stride`, then dilates."""

    @property
    def stride(self) -> int:
        return int(self.normalized_config.output_stride)

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "semantic-segmentation":
            outputs["logits"] = map_axes(self.grid)
        return outputs


@register("efficientnet", tasks=("feature-extraction", "image-classification"))
class EfficientNetOnnxConfig(StridedVisionOnnxConfig):
    """EfficientNet. Blocks that halve round down, except the blocks in `depthwise_padding`.

    It pools by windows of `hidden_dim` positions, of which there must be a single one.
    """

    POOLED_AXES = {0: "batch_size"}

    @property
    def grid(self) -> Grid:
        config, grid, block = self.normalized_config, Grid().then(kernel=2, stride=2), 0
        for stride, repeats in zip(config.strides, config.num_block_repeats, strict=True):
            rounds_up = block in config.depthwise_padding
            grid = grid.divided(stride) if rounds_up else grid.then(kernel=stride, stride=stride)
            block += ceil(config.depth_coefficient * repeats)
        return grid

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        size = int(self.normalized_config.hidden_dim)
        return {self.grid.of(axis): size for axis in ("height", "width")}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Pool by a mean. ONNX has no window that is larger than what it pools."""
        return replace_forward(model, "AvgPool2d", _pool_all)


def _pool_all(module: Any, features: torch.Tensor) -> torch.Tensor:
    return features.mean(dim=(2, 3), keepdim=True)


def _pad_to_strides(features: torch.Tensor, convolution: Any) -> torch.Tensor:
    """Pad features [batch, channels, height, width] to whole strides of a convolution.

    No kernel is smaller than its stride, so no padding is negative.
    """
    from torch.nn.functional import pad

    paddings: list[int] = []
    for axis in (1, 0):  # `pad` takes the last axis first
        size, stride = features.shape[axis + 2], convolution.stride[axis]
        along = convolution.kernel_size[axis] - stride
        along += missing(size, stride) if stride > 1 else 0
        dilation = convolution.dilation[axis]
        paddings += [along // 2 * dilation, (along - along // 2) * dilation]
    return pad(features, paddings)
