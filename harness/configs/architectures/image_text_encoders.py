"""Encoders that read a text and an image together."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.architectures.clip import (
    NormalizedRobertaAndVisionConfig,
    patches_of_image,
    sizes_of_images,
)
from harness.configs.architectures.detr import DummyPaddedImageInputGenerator, shrunk_mask
from harness.configs.architectures.roberta import NO_TOKEN_TYPES
from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes, OnnxConfig
from harness.configs.dummy_inputs import DummyVisionInputGenerator
from harness.configs.limits import up_to_last_position
from harness.configs.middle_end import TextEncoderOnnxConfig
from harness.configs.normalized_config import (
    NormalizedConfig,
    NormalizedTextAndVisionConfig,
    NormalizedTextConfig,
    NormalizedVisionConfig,
)
from harness.configs.task_table import Axes
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn


class ImageTextEncoderOnnxConfig(OnnxConfig):
    """Models that read one image beside each text."""

    MODALITY = "text-and-vision"
    NORMALIZED_CONFIG_CLASS = NormalizedTextAndVisionConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyVisionInputGenerator)
    TEXT_INPUTS: tuple[str, ...] = ("input_ids", "attention_mask")

    @property
    def inputs(self) -> Mapping[str, Axes]:
        texts: dict[str, Axes] = {
            name: {0: "batch_size", 1: "sequence_length"} for name in self.TEXT_INPUTS
        }
        return {**texts, "pixel_values": {0: "batch_size"}}

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return up_to_last_position("sequence_length", self.normalized_config.of_modality("text"))


class NormalizedFlavaConfig(NormalizedTextAndVisionConfig):
    """FLAVA: the settings of images stand in `image_config`."""

    @property
    def vision_config(self) -> NormalizedVisionConfig:
        return NormalizedVisionConfig(self.config.image_config)


@register("flava", tasks=("feature-extraction",))
class FlavaOnnxConfig(ImageTextEncoderOnnxConfig):
    """FLAVA: encodes the image and the text alone, and then both together.

    Together they follow a class token, if the model has one.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedFlavaConfig
    TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")

    @property
    def outputs(self) -> NamedAxes:
        image = self.config.image_config
        tokens = (image.image_size // image.patch_size) ** 2 + 1
        tokens += int(self.config.multimodal_config.use_cls_token)
        return OrderedDict(
            image_embeddings={0: "batch_size"},
            text_embeddings={0: "batch_size", 1: "sequence_length"},
            multimodal_embeddings={0: "batch_size", 1: f"sequence_length + {tokens}"},
        )


@register("bridgetower", tasks=("feature-extraction",))
class BridgeTowerOnnxConfig(ImageTextEncoderOnnxConfig):
    """BridgeTower: layers across both towers read each of their last layers.

    The model takes a mask of pixels and does not read it.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedRobertaAndVisionConfig
    OMITTED_INPUTS = NO_TOKEN_TYPES

    @property
    def outputs(self) -> NamedAxes:
        return OrderedDict(
            text_features={0: "batch_size", 1: "sequence_length"},
            image_features={0: "batch_size"},
            pooler_output={0: "batch_size"},
        )


class NormalizedViltConfig(NormalizedTextConfig, NormalizedVisionConfig):
    """ViLT: one configuration for the text and the image."""


@register("vilt", tasks=("visual-question-answering",))
class ViltOnnxConfig(TextEncoderOnnxConfig):
    """ViLT: one encoder reads tokens and patches. Images of a batch have sizes of their own.

    Eager chooses as many patches as the largest image has, in random order, so the features of
    patches have no fixed place; answers do not depend on the order.
    """

    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedViltConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyPaddedImageInputGenerator)
    INPUT_NAMES = ("input_ids", "attention_mask", "token_type_ids")
    DIVIDED_AXES = frozenset({"height", "width"})

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {
            **super().inputs,
            "pixel_values": {0: "batch_size", 2: "height", 3: "width"},
            "pixel_mask": {0: "batch_size", 1: "height", 2: "width"},
        }

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        return {**sizes_of_images(self.config), **super().axis_ranges}

    @property
    def attended_positions(self) -> str:
        return f"sequence_length + {patches_of_image(self.config)} + 1"

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Keep all patches, with the mask of those that belong to the image. Eager chooses among
        them by number, and resizes positions in a loop over the batch."""
        for module in model.modules():
            if type(module).__name__ == "ViltEmbeddings":
                vars(module)["visual_embed"] = functools.partial(_all_patches, module)
        return model


def _all_patches(
    module: Any, pixel_values: torch.Tensor, pixel_mask: torch.Tensor, max_image_length: int
) -> tuple[torch.Tensor, torch.Tensor, None]:
    """Return the embeddings of the class token and all patches [batch, 1 + patches, width], and
    their mask."""
    import torch

    features = module.patch_embeddings(pixel_values)
    mask = shrunk_mask(pixel_mask, features.shape[-2:])
    known = module.position_embeddings
    grid = module.config.image_size // module.config.patch_size
    rows = _weights(grid, mask[:, :, 0].sum(dim=1), mask.shape[1])
    columns = _weights(grid, mask[:, 0, :].sum(dim=1), mask.shape[2])
    table = known[0, 1:].reshape(grid, grid, -1)
    positions = torch.einsum("bhg,gkd,bwk->bhwd", rows, table, columns).flatten(1, 2)
    patches = features.flatten(2).transpose(1, 2) + positions
    first = (module.cls_token + known[:, :1]).expand(patches.shape[0], -1, -1)
    shown = torch.cat([torch.ones_like(mask[:, 0, :1]), mask.flatten(1)], dim=1)
    return module.dropout(torch.cat([first, patches], dim=1)), shown, None


def _weights(grid: int, sizes: torch.Tensor, most: int) -> torch.Tensor:
    """Return how much each of `grid` places counts for each place of an image [batch, most, grid].

    The first and the last places coincide, as in `torch.nn.functional.interpolate` with
    `align_corners`. Places beyond the size of an image have some value that its mask hides.
    """
    import torch

    steps = (grid - 1) / (sizes - 1).clamp(min=1).float()
    places = torch.arange(most).float() * steps[:, None]
    return (1 - (torch.arange(grid).float() - places[:, :, None]).abs()).clamp(min=0)
