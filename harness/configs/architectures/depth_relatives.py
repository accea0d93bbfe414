"""Relatives of DPT and Depth Anything that estimate depth from other towers, or with a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.configs.architectures.dpt import (
    OF_BACKBONE,
    DepthAnythingOnnxConfig,
    PatchedDepthOnnxConfig,
    unchanged,
)
from harness.configs.architectures.tipsv2 import resize_by_weights
from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.dummy_inputs import DummyInputGenerator, DummyVisionInputGenerator
from harness.configs.feed_generators import Dims
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.replaced_functions import calling_instead
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


_NEAREST, _FARTHEST = 0.5, 4.0


class DummyDepthInputGenerator(DummyInputGenerator):
    """Depths of a room in meters: float32 [batch, 1, height, width]."""

    SUPPORTED_INPUT_NAMES = ("prompt_depth",)

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        import torch

        shape = dims[0], 1, dims[2], dims[3]
        return _NEAREST + (_FARTHEST - _NEAREST) * torch.rand(shape, generator=self.generator)


@register("prompt_depth_anything", tasks=("depth-estimation",))
class PromptDepthAnythingOnnxConfig(DepthAnythingOnnxConfig):
    """Prompt Depth Anything: a depth of few pixels, of any size, gives the scale of the depth.

    It has two pixels at least: eager divides by the range of its values.
    """

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyVisionInputGenerator, DummyDepthInputGenerator)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        prompt = {0: "batch_size", 2: "prompt_height", 3: "prompt_width"}
        return {**super().inputs, "prompt_depth": prompt}

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        prompt = {
            "prompt_height": AxisRange(2, 24, export=7),
            "prompt_width": AxisRange(1, 24, export=9),
        }
        return {**super().axis_ranges, **prompt}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Leave out the conversion of the size of the depth, as for Depth Anything."""
        head = "PromptDepthAnythingDepthEstimationHead"
        calling_instead(model, "torch_int", lambda _: unchanged, kind=head)
        return model


@register("chmv2", tasks=("depth-estimation",))
class CHMv2OnnxConfig(PatchedDepthOnnxConfig):
    """CHMv2: heights of canopies, as means of bins, from the tokens of a DINOv3."""

    NORMALIZED_CONFIG_CLASS = NormalizedVisionConfig.with_args(
        neck_hidden_sizes="post_process_channels", **OF_BACKBONE
    )

    @property
    def doublings(self) -> int:
        return len(self.normalized_config.neck_hidden_sizes) + 1


@register("tipsv2_dpt", tasks=("depth-estimation", "semantic-segmentation"))
class Tipsv2DptOnnxConfig(PatchedDepthOnnxConfig):
    """TIPSv2 with DPT's neck for each task. Nothing is doubled after the last fusion."""

    NORMALIZED_CONFIG_CLASS = NormalizedVisionConfig.with_args(**OF_BACKBONE)

    @property
    def doublings(self) -> int:
        return len(self.normalized_config.neck_hidden_sizes)

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "semantic-segmentation":
            sizes = {2: self.size_of_depth("height"), 3: self.size_of_depth("width")}
            outputs["logits"] |= sizes
        return outputs

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        return resize_by_weights(model)
