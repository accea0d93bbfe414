"""M2M-100."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.architectures.bart import BartOnnxConfig
from harness.configs.dummy_inputs import DummySeq2SeqPastKeyValuesGenerator
from harness.configs.task_table import SEQ2SEQ_TASKS
from harness.configs.tasks import register
from harness.configs.text_inputs import (
    DummySeq2SeqDecoderTextInputGenerator,
    DummyTextInputGenerator,
)

if TYPE_CHECKING:
    import torch


class DummyUnpaddedDecoderTextInputGenerator(DummySeq2SeqDecoderTextInputGenerator):
    """A decoder that counts the tokens before one, padding left out, does not know how many of its
    past were padding: eager's steps agree with its full forward where none is."""

    def _ids(self, shape: tuple[int, ...]) -> torch.Tensor:
        ids, pad = super()._ids(shape), self.normalized_config.pad_token_id
        return ids.masked_fill(ids == pad, self.normalized_config.eos_token_id)

    def pad(self, name: str, tensor: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return tensor


@register("m2m_100", tasks=SEQ2SEQ_TASKS)
class M2M100OnnxConfig(BartOnnxConfig):
    """M2M-100: positions count the tokens that are no padding."""

    DUMMY_INPUT_GENERATOR_CLASSES = (
        DummyTextInputGenerator,
        DummyUnpaddedDecoderTextInputGenerator,
    )
    DECODER_INPUT_GENERATOR_CLASSES = (
        DummyUnpaddedDecoderTextInputGenerator,
        DummySeq2SeqPastKeyValuesGenerator,
    )
