"""ResNet and other convolutional networks whose stages halve height and width, rounded up."""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.calls import PartCall, Result
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.strided import Grid, StridedVisionOnnxConfig
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

_TASKS = ("feature-extraction", "image-classification")


class HalvingOnnxConfig(StridedVisionOnnxConfig):
    """Networks whose paddings are half of their kernels, so that only strides count. They pool the
    last map to one position."""

    POOLED_AXES: ClassVar[Axes | None] = {0: "batch_size"}

    @property
    @abstractmethod
    def strides(self) -> tuple[int, ...]:
        """The strides of all convolutions and poolings that divide height and width."""

    @property
    def grid(self) -> Grid:
        return Grid().divided(prod(self.strides))


@register("resnet", tasks=_TASKS)
class ResNetOnnxConfig(HalvingOnnxConfig):
    """ResNet. A convolution and a pooling halve first; then do all stages, the first by choice."""

    STEM_STRIDES: ClassVar[tuple[int, ...]] = (2, 2)

    @property
    def strides(self) -> tuple[int, ...]:
        config = self.normalized_config
        first = 2 if config.downsample_in_first_stage else 1
        return (*self.STEM_STRIDES, first, *(2 for _ in config.depths[1:]))


@register("regnet", tasks=_TASKS)
class RegNetOnnxConfig(ResNetOnnxConfig):
    """RegNet. It starts with a convolution alone, and its layers weigh channels by their means."""

    STEM_STRIDES = (2,)


@register("bit", tasks=_TASKS)
class BitOnnxConfig(HalvingOnnxConfig):
    """BiT. Stages after the first halve until they reach `output_stride`, then they dilate."""

    @property
    def strides(self) -> tuple[int, ...]:
        config, strides = self.normalized_config, [2, 2]
        for _ in config.depths[1:]:
            strides.append(2 if prod(strides) < config.output_stride else 1)
        return tuple(strides)

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Standardise kernels by arithmetic. In transformers it is a batch normalisation in
        training mode, of the kernels alone, which runtimes need not have."""
        return replace_forward(model, "WeightStandardizedConv2d", _convolve)


@register("hgnet_v2", tasks=_TASKS)
class HGNetV2OnnxConfig(HalvingOnnxConfig):
    """HGNet V2. The configuration states the strides of the stem and of each stage.

    Its Auto class is a backbone, whose single map is that of the last stage.
    """

    POOLED_AXES = None

    @property
    def strides(self) -> tuple[int, ...]:
        config = self.normalized_config
        stages = zip(config.stage_downsample, config.stage_downsample_strides, strict=True)
        return (*config.stem_strides, *(stride for shrinks, stride in stages if shrinks))

    @property
    def call(self) -> PartCall:
        if self.task != "feature-extraction":
            return super().call
        return PartCall(results={"last_hidden_state": Result(held="feature_maps")})


@register("textnet", tasks=_TASKS)
class TextNetOnnxConfig(HalvingOnnxConfig):
    """TextNet. Each convolution states its stride; the last map is pooled to two rows and columns.

    Of a single row, both pooled rows are this row.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedVisionConfig.with_args(num_channels="stem_num_channels")

    @property
    def strides(self) -> tuple[int, ...]:
        config = self.normalized_config
        return (config.stem_stride, *(s for stage in config.conv_layer_strides for s in stage))

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Pool by the means of halves. Exporters refuse to pool a free size to two positions."""
        return replace_forward(model, "AdaptiveAvgPool2d", _pool)


def _convolve(module: Any, features: torch.Tensor) -> torch.Tensor:
    """Convolve with kernels of mean 0 and variance 1."""
    import torch

    padded = features if module.pad is None else module.pad(features)
    variance, mean = torch.var_mean(module.weight, dim=(1, 2, 3), correction=0, keepdim=True)
    kernels = (module.weight - mean) / (variance + module.eps).sqrt()
    return torch.nn.functional.conv2d(
        padded,
        kernels,
        module.bias,
        module.stride,
        module.padding,
        module.dilation,
        module.groups,
    )


def _pool(module: Any, features: torch.Tensor) -> torch.Tensor:
    """Return the means of one part or of two halves in height and in width.

    Halves of an odd size share their middle.
    """
    import torch

    if module.output_size != (2, 2):
        return features.mean(dim=(2, 3), keepdim=True)
    for axis in (2, 3):
        size = features.shape[axis]
        halves = ((0, (size + 1) // 2), (size // 2, size))
        parts = [features.narrow(axis, start, end - start) for start, end in halves]
        features = torch.cat([part.mean(dim=axis, keepdim=True) for part in parts], dim=axis)
    return features
