"""CLIP and its relatives: dual encoders of texts and images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.architectures.roberta import NO_TOKEN_TYPES, NormalizedRobertaConfig
from harness.configs.axis_space import AxisRange
from harness.configs.dummy_inputs import DummyVisionInputGenerator
from harness.configs.feed_generators import Dims, FeedGenerators
from harness.configs.middle_end import TextAndVisionOnnxConfig
from harness.configs.normalized_config import NormalizedTextAndVisionConfig, NormalizedTextConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import Axes
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch


class DummyCLIPTextInputGenerator(DummyTextInputGenerator):
    """A text without an end token is pooled at its first one, which sees nothing of the rest. Drawn
    at random most would be, so every second row gets an end token, somewhere."""

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        import torch

        tensor = super().generate(name, dims)
        end = self.normalized_config.eos_token_id
        if name != "input_ids" or end not in self._special_ids(self.normalized_config.vocab_size):
            return tensor
        rows = (*tensor.shape[:-1], 1)
        place = self._integers(0, tensor.shape[-1], rows)
        ended = tensor.scatter(-1, place, end)
        return torch.where(self._integers(0, 2, rows) > 0, ended, tensor)

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        """Return texts that end with the end token, if the vocabulary has one."""
        tensor = super().ordinary(name, dims, past=past)
        end = self.normalized_config.eos_token_id
        if name == "input_ids" and end in self._special_ids(self.normalized_config.vocab_size):
            tensor[..., -1] = end
        return tensor


def sizes_of_images(vision: Any) -> dict[str, AxisRange]:
    """Return the sizes of images that a model cuts into patches: some are no whole patches."""
    patch = int(vision.patch_size)
    return {
        "height": AxisRange(patch, 7 * patch, export=3 * patch + 1),
        "width": AxisRange(patch, 7 * patch, export=5 * patch - 1),
    }


def patches_of_image(vision: Any) -> str:
    """Return the number of patches of an image. Pixels beyond the last whole patch are ignored."""
    patch = int(vision.patch_size)
    return f"(height // {patch}) * (width // {patch})"


SCORING_TASKS = ("feature-extraction", "zero-shot-image-classification")
TASKS = ("feature-extraction", "image-classification", "zero-shot-image-classification")


@register("clip", tasks=TASKS)
class CLIPOnnxConfig(TextAndVisionOnnxConfig):
    """CLIP. Eager refuses any image that is not `image_size` squared, so of the axes of
    `pixel_values` only the batch is dynamic.

    A text is pooled at its first end token or, where a configuration has the end token 2 as the
    published ones do, at its largest id: the tiny model of `feature-extraction` does the one, that
    of `zero-shot-image-classification` the other.
    """

    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (
        DummyCLIPTextInputGenerator,
        DummyVisionInputGenerator,
    )


register_rows(
    CLIPOnnxConfig,
    Row("aimv2", "Aimv2", ("feature-extraction",), "pools an image by attention"),
    Row("groupvit", "GroupViT", ("feature-extraction",), "sorts patches into groups, in stages"),
    Row("metaclip_2", "MetaClip2", TASKS, "pools at the end token, also where its id is 2"),
    Row("siglip", "Siglip", TASKS, "pools a text at its last token, an image by attention"),
)


@register("chinese_clip", tasks=SCORING_TASKS)
class ChineseCLIPOnnxConfig(TextAndVisionOnnxConfig):
    """Chinese-CLIP: a BERT reads the texts, and its first token stands for a text."""

    @property
    def inputs(self) -> Mapping[str, Axes]:
        inputs = super().inputs
        return {**inputs, "token_type_ids": dict(inputs["input_ids"])}


class NormalizedRobertaAndVisionConfig(NormalizedTextAndVisionConfig):
    """A model of text and images whose texts have the positions of RoBERTa."""

    @property
    def text_config(self) -> NormalizedTextConfig:
        return NormalizedRobertaConfig(super().text_config.config)


@register("altclip", tasks=SCORING_TASKS)
class AltCLIPOnnxConfig(TextAndVisionOnnxConfig):
    """AltCLIP: an XLM-RoBERTa reads the texts, and its first token stands for a text."""

    NORMALIZED_CONFIG_CLASS = NormalizedRobertaAndVisionConfig
    OMITTED_INPUTS = NO_TOKEN_TYPES


@register("clipseg", tasks=SCORING_TASKS)
class CLIPSegOnnxConfig(CLIPOnnxConfig):
    """CLIPSeg: resizes its positions to each image, so height and width are dynamic."""

    DIVIDED_AXES = frozenset({"height", "width"})

    @property
    def inputs(self) -> Mapping[str, Axes]:
        inputs = dict(super().inputs)
        inputs["pixel_values"] = {**inputs["pixel_values"], 2: "height", 3: "width"}
        return inputs

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        return {**sizes_of_images(self.config.vision_config), **super().axis_ranges}

    @property
    def attended_positions(self) -> str:
        return f"{patches_of_image(self.config.vision_config)} + 1"
