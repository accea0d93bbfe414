"""Perceiver, reading text, images, or vectors of any kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from harness.configs.base import NamedAxes
from harness.configs.feed_generators import Dims, FeedGenerators
from harness.configs.middle_end import TextEncoderOnnxConfig, VisionOnnxConfig
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch


class DummyPerceiverTextInputGenerator(DummyTextInputGenerator):
    """Forward calls its token ids `inputs`, whatever they are."""

    SUPPORTED_INPUT_NAMES = ("inputs", "attention_mask")

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        return super().generate("input_ids" if name == "inputs" else name, dims)

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        return super().ordinary("input_ids" if name == "inputs" else name, dims, past=past)


@register("perceiver", tasks=("fill-mask", "text-classification"))
class PerceiverOnnxConfig(TextEncoderOnnxConfig):
    """Perceiver: a few latent vectors attend to the text. They fill the masks of all positions that
    the model knows, however long the text is."""

    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyPerceiverTextInputGenerator,)
    INPUT_NAMES = ("inputs", "attention_mask")

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "fill-mask":
            outputs["logits"] = {0: "batch_size"}
        return outputs


class DummyVectorInputGenerator(DummyTextInputGenerator):
    """Vectors of any kind, float32 [batch, length, d_model], and their mask."""

    SUPPORTED_INPUT_NAMES = ("inputs", "attention_mask")

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        if name != "inputs":
            return super().generate(name, dims)
        return self._normal((dims[0], dims[1], int(self.normalized_config.d_model)))

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        if name == "inputs":
            return self.generate(name, dims)
        return super().ordinary(name, dims, past=past)


@register("perceiver", tasks=("feature-extraction",))
class PerceiverFeaturesOnnxConfig(PerceiverOnnxConfig):
    """Perceiver without a preprocessor: it reads vectors, as many as there are."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyVectorInputGenerator,)

    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(last_hidden_state={0: "batch_size"})

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return {}


class NormalizedPerceiverConfig(NormalizedVisionConfig):
    """Perceiver's, whose images always have three channels."""

    num_channels = 3


@register("perceiver", tasks=("image-classification",))
class PerceiverImageOnnxConfig(VisionOnnxConfig):
    """Perceiver, reading images of `image_size` squared. Each pixel has a learned position.

    The classes for other positions are not those that the Auto class makes.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedPerceiverConfig
