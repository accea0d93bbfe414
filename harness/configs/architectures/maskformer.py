"""MaskFormer and its relatives: queries, of which each has a class and a mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.architectures.detr import centres_of_places
from harness.configs.architectures.swin_windows import decide_by_arithmetic, window_landmarks
from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.block_images import DummyBlockImageInputGenerator
from harness.configs.feed_generators import FeedGenerators
from harness.configs.middle_end import AnySizeVisionOnnxConfig
from harness.configs.normalized_config import NormalizedBackboneConfig
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

_TASKS = ("feature-extraction", "image-segmentation")
_PIXELS_OF_FIRST_STAGE = 4
"""Of a backbone without patches, such as ResNet."""


@register("maskformer", tasks=_TASKS)
class MaskFormerOnnxConfig(AnySizeVisionOnnxConfig):
    """MaskFormer. Each stage of the backbone rounds up, so images have any size.

    A mask of pixels is not an input: the model does not use it.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedBackboneConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyBlockImageInputGenerator,)

    @property
    def outputs(self) -> NamedAxes:
        batch = {0: "batch_size"}
        if self.task == "image-segmentation":
            return NamedAxes(
                class_queries_logits=dict(batch), masks_queries_logits=batch | self.size_of_masks
            )
        return NamedAxes(
            encoder_last_hidden_state=batch | _sizes(self.pixels_of_last_stage),
            pixel_decoder_last_hidden_state=batch | self.size_of_masks,
            transformer_decoder_last_hidden_state=dict(batch),
        )

    @property
    def size_of_masks(self) -> Axes:
        """The axes of height and width of a mask: it has the size of the first stage."""
        return _sizes(self.pixels_of_first_stage)

    @property
    def pixels_of_first_stage(self) -> int:
        """Height and width, in pixels, of a place of the first stage of the backbone."""
        backbone = self.normalized_config.backbone_config
        return int(getattr(backbone, "patch_size", _PIXELS_OF_FIRST_STAGE))

    @property
    def pixels_of_last_stage(self) -> int:
        """Height and width, in pixels, of a place of the last stage: each stage halves them."""
        stages = len(self.normalized_config.backbone_config.depths)
        return int(self.pixels_of_first_stage * 2 ** (stages - 1))

    @property
    def attended_positions(self) -> str | None:
        height, width = _sizes(self.pixels_of_last_stage).values()
        return f"{height} * {width}"

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        half, high = self.pixels_of_last_stage // 2, 6 * self.pixels_of_last_stage
        height = AxisRange(1, high, export=5 * half)
        width = AxisRange(1, high, export=9 * half)
        return {"height": height, "width": width, **super().axis_ranges}

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return window_landmarks(self.normalized_config.backbone_config)

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Decide paddings and shifts of a Swin by arithmetic."""
        return decide_by_arithmetic(model)


@register("mask2former", tasks=_TASKS)
class Mask2FormerOnnxConfig(MaskFormerOnnxConfig):
    """Mask2Former: points of a pyramid instead of one map, and queries that attend within their own
    masks. A mask of pixels is not an input: the model does not use it."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Give points the sizes of levels as tensors, of which eager makes constants."""
        for module in model.modules():
            if type(module).__name__ in _ENCODERS_OF_PIXELS:
                vars(module)["get_reference_points"] = _boxes_of_places
        return super().patch_model_for_export(model)


_ENCODERS_OF_PIXELS = ("Mask2FormerPixelDecoderEncoderOnly",)
_POINTS = 4
"""Points that a place reads of each level; the models state this number nowhere."""


def _boxes_of_places(
    spatial_shapes_list: Sequence[Sequence[Any]], valid_ratios: torch.Tensor, device: torch.device
) -> torch.Tensor:
    """Return the centre of each place of all levels and a box around it, as shares of the image,
    for each level [batch, places, levels, 4].

    A layer multiplies offsets by half of a box and divides them by the number of points. The size
    of the box is such that the results are offsets as shares of a level.
    """
    import torch

    centres = centres_of_places(spatial_shapes_list, valid_ratios, device)
    ends = [[torch.arange(size)[-1] + 1 for size in level[::-1]] for level in spatial_shapes_list]
    sizes = 2.0 * _POINTS / torch.stack([torch.stack(level) for level in ends])
    return torch.cat((centres, sizes.expand_as(centres)), dim=-1)


def _sizes(pixels: int) -> Axes:
    return {2: f"ceil(height / {pixels})", 3: f"ceil(width / {pixels})"}
