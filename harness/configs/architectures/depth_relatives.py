"""Relatives of Depth Anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.configs.architectures.dpt import (
    DepthAnythingOnnxConfig,
    unchanged,
)
from harness.configs.axis_space import AxisRange
from harness.configs.dummy_inputs import DummyInputGenerator, DummyVisionInputGenerator
from harness.configs.feed_generators import Dims
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
