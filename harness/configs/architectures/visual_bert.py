"""VisualBERT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.base import NamedAxes
from harness.configs.feed_generators import Dims
from harness.configs.task_table import Axes
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch

VISUAL_INPUT_NAMES = ("visual_embeds", "visual_attention_mask", "visual_token_type_ids")


class DummyVisualEmbedsInputGenerator(DummyTextInputGenerator):
    """What a detector saw: float32 [batch, regions, width], with a mask and types of their own."""

    SUPPORTED_INPUT_NAMES = VISUAL_INPUT_NAMES

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        if name == "visual_embeds":
            return self._normal((dims[0], dims[1], self.normalized_config.visual_embedding_dim))
        return super().generate(name.removeprefix("visual_"), dims)

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        if name == "visual_embeds":
            return self.generate(name, dims)
        if name == "visual_token_type_ids":  # transformers' examples give regions the second type
            return super().ordinary("token_type_ids", dims, past=past) + 1
        return super().ordinary(name.removeprefix("visual_"), dims, past=past)


@register("visual_bert", tasks=("feature-extraction",))
class VisualBertOnnxConfig(BertOnnxConfig):
    """VisualBERT: BERT over a text and the regions of an image, which follow it."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyVisualEmbedsInputGenerator)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        axes = {0: "batch_size", 1: "visual_sequence_length"}
        return {**super().inputs, **{name: dict(axes) for name in VISUAL_INPUT_NAMES}}

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        outputs["last_hidden_state"][1] = "sequence_length + visual_sequence_length"
        return outputs

    @property
    def masks(self) -> tuple[str, ...]:
        return ("attention_mask", "visual_attention_mask")
