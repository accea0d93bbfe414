"""SigLIP 2 in its NaFlex form: images of any shape, cut into rows of patches and padded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.architectures.clip import TASKS
from harness.configs.architectures.towers import TOWER_TASKS, CLIPVisionModelOnnxConfig
from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes, OnnxConfig
from harness.configs.feed_generators import FeedGenerator, FeedGenerators, FeedRequest, Tensors
from harness.configs.middle_end import TextAndVisionOnnxConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.task_table import Axes
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn

IMAGE_INPUTS = ("pixel_values", "pixel_attention_mask", "spatial_shapes")


class DummyPatchesInputGenerator(FeedGenerator):
    """Images as rows of patches: `pixel_values`, float32 [batch, patches, values of a patch],
    `spatial_shapes`, the patches of each image in height and width, int64 [batch, 2], and
    `pixel_attention_mask`, int64 [batch, patches], which shows the patches of the image.

    The first image fills its row.
    """

    SUPPORTED_INPUT_NAMES = IMAGE_INPUTS
    MODALITY = "vision"

    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        import torch

        rows, patches = self._rows_and_patches(request)
        heights = self._integers(1, patches + 1, (rows,))
        widths = 1 + (torch.rand(rows, generator=self.generator) * (patches // heights)).long()
        heights[0], widths[0] = _nearest_square(patches)
        return self._filled(torch.stack([heights, widths], dim=1), patches)

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        """Return images that fill their rows."""
        import torch

        rows, patches = self._rows_and_patches(request)
        return self._filled(torch.tensor([_nearest_square(patches)] * rows), patches)

    def pad(self, feed: Tensors, places: Tensors) -> dict[str, torch.Tensor]:
        """Write zeros into hidden patches, as processors do."""
        other = dict(feed)
        if "pixel_values" in places:
            other["pixel_values"] = feed["pixel_values"].masked_fill(places["pixel_values"], 0.0)
        return other

    def _rows_and_patches(self, request: FeedRequest) -> tuple[int, int]:
        dims = request.dims["pixel_values"]
        return dims[0], dims[1]

    def _filled(self, shapes: torch.Tensor, patches: int) -> dict[str, torch.Tensor]:
        import torch

        mask = (torch.arange(patches) < shapes.prod(dim=1)[:, None]).long()
        config = self.normalized_config
        values = config.num_channels * config.patch_size**2
        pixels = self._normal((len(shapes), patches, values)) * mask[:, :, None]
        return dict(zip(IMAGE_INPUTS, (pixels, mask, shapes), strict=True))


def attend_by_products(model: nn.Module) -> nn.Module:
    """Attend by products of matrices in the heads of the exporter's copy. The TorchScript exporter
    bakes the number of keys into `torch.nn.MultiheadAttention`."""
    return replace_forward(model, "MultiheadAttention", _attend)


def resize_without_checks(model: nn.Module) -> nn.Module:
    """Leave out the checks of shapes in the exporter's copy: torch.export keeps them as operators
    that the dynamo exporter cannot convert."""
    for module in model.modules():
        resize = getattr(module, "resize_positional_embeddings", None)
        if resize is not None:
            names = {**resize.__globals__, "torch_compilable_check": lambda *_: None}
            unchecked = FunctionType(resize.__code__, names, resize.__name__)
            vars(module)["resize_positional_embeddings"] = unchecked
    return model


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, None]:
    """Attend with the packed weights; all inputs are [batch, length, width]."""
    from torch.nn.functional import linear

    weights = zip(module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3), strict=True)
    states = [
        linear(one, *weight).reshape(*one.shape[:2], module.num_heads, -1).transpose(1, 2)
        for one, weight in zip((query, key, value), weights, strict=True)
    ]
    scores = states[0] @ states[1].transpose(2, 3) * module.head_dim**-0.5
    if attn_mask is not None:
        scores = scores + attn_mask.reshape(-1, module.num_heads, *attn_mask.shape[1:])
    found = (scores.softmax(dim=-1) @ states[2]).transpose(1, 2)
    return module.out_proj(found.reshape(query.shape)), None


def _nearest_square(patches: int) -> tuple[int, int]:
    """Return height and width of the most square image of exactly so many patches."""
    height = next(h for h in range(math.isqrt(patches), 0, -1) if patches % h == 0)
    return height, patches // height


class PatchesOnnxConfig(OnnxConfig):
    """Models that read images as rows of patches."""

    AXIS_RANGES: ClassVar[Mapping[str, AxisRange]] = {"num_patches": AxisRange(1, 40, export=11)}

    @property
    def image_inputs(self) -> dict[str, Axes]:
        """The inputs of images. The grid of positions is resized to each image's shape."""
        patches = {0: self.image_batch, 1: "num_patches"}
        return {
            "pixel_values": dict(patches),
            "pixel_attention_mask": dict(patches),
            "spatial_shapes": {0: self.image_batch},
        }

    @property
    def image_batch(self) -> str:
        """The axis of images."""
        return "batch_size"

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        return resize_without_checks(attend_by_products(model))

    @property
    def masks(self) -> tuple[str, ...]:
        return (*super().masks, "pixel_attention_mask")

    @property
    def end_masks(self) -> Mapping[str, int]:
        return {"pixel_attention_mask": 1}


@register("siglip2_vision_model", tasks=TOWER_TASKS)
class Siglip2VisionModelOnnxConfig(PatchesOnnxConfig, CLIPVisionModelOnnxConfig):
    """SigLIP 2's vision tower. It pools by attention over the patches that the mask shows."""

    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyPatchesInputGenerator,)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return self.image_inputs

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        outputs["last_hidden_state"][1] = "num_patches"
        return outputs


@register("siglip2", tasks=TASKS)
class Siglip2OnnxConfig(PatchesOnnxConfig, TextAndVisionOnnxConfig):
    """SigLIP 2: pools a text at its last token. A classifier averages the patches that the mask
    shows."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyPatchesInputGenerator)

    @property
    def image_batch(self) -> str:
        return super().image_batch if self.task == "image-classification" else "image_batch_size"

    @property
    def inputs(self) -> Mapping[str, Axes]:
        texts = {n: axes for n, axes in super().inputs.items() if n != "pixel_values"}
        return {**texts, **self.image_inputs}
