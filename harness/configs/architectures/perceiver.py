"""Perceiver, reading text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.base import NamedAxes
from harness.configs.feed_generators import Dims
from harness.configs.middle_end import TextEncoderOnnxConfig
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

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyPerceiverTextInputGenerator,)
    INPUT_NAMES = ("inputs", "attention_mask")

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "fill-mask":
            outputs["logits"] = {0: "batch_size"}
        return outputs
