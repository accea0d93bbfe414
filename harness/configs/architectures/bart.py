"""BART: a description with every kind of task, and the advanced example of CONTRIBUTING.

It has one class for each way in which the architecture is used: as an encoder-decoder, as a decoder
alone, and as a reader of one text that feeds both of its sides itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.feed_generators import Dims, FeedGenerators
from harness.configs.middle_end import (
    TextDecoderOnnxConfig,
    TextEncoderOnnxConfig,
    TextSeq2SeqOnnxConfig,
)
from harness.configs.normalized_config import NormalizedConfig, NormalizedSeq2SeqConfig
from harness.configs.task_table import CAUSAL_TASKS, SEQ2SEQ_TASKS
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("bart", tasks=SEQ2SEQ_TASKS)
class BartOnnxConfig(TextSeq2SeqOnnxConfig):
    """BART as an encoder-decoder with learned positions on both sides."""


@register("bart", tasks=CAUSAL_TASKS)
class BartDecoderOnnxConfig(TextDecoderOnnxConfig):
    """BART's decoder alone, a causal language model that counts its positions itself."""

    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedSeq2SeqConfig


class DummyBartTextInputGenerator(DummyTextInputGenerator):
    """Classification pools at the last end-of-sequence token, and eager refuses a batch whose rows
    have different numbers of them: every row gets two, or one where there is room for no more."""

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        import torch

        tensor = super().generate(name, dims)
        if name != "input_ids" or self.task != "text-classification":
            return tensor
        end, length = self.normalized_config.eos_token_id, tensor.shape[-1]
        tensor = torch.where(tensor == end, end - 1, tensor)
        order = torch.rand(tensor.shape, generator=self.generator).argsort(dim=-1)
        return tensor.scatter(-1, order[:, : min(2, length)], end)

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        """Return texts that end with an end-of-sequence token, if the task reads it."""
        tensor = super().ordinary(name, dims, past=past)
        if name == "input_ids" and self.task == "text-classification":
            tensor[..., -1] = self.normalized_config.eos_token_id
        return tensor


@register("bart", tasks=("question-answering", "text-classification"))
class BartReaderOnnxConfig(TextEncoderOnnxConfig):
    """BART reading one text: its decoder takes the same tokens, shifted by one."""

    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedSeq2SeqConfig
    DUMMY_INPUT_GENERATOR_CLASSES: ClassVar[FeedGenerators] = (DummyBartTextInputGenerator,)

    def first_decoder_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """What the decoder begins with, [batch, 1], where the encoder reads `tokens`."""
        return tokens[:, :1] * 0 + self.config.decoder_start_token_id

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Shift the tokens by concatenation. Transformers assigns to a slice of one token less,
        which torch.export specialises at lengths 1 and 2, and TorchScript refuses below opset 11.
        """
        import torch

        def add_decoder_tokens(
            module: nn.Module, args: tuple[object, ...], keywords: dict[str, Any]
        ) -> tuple[tuple[object, ...], dict[str, Any]]:
            tokens = keywords["input_ids"]
            shifted = torch.cat((self.first_decoder_tokens(tokens), tokens), dim=1)[:, :-1]
            return args, {**keywords, "decoder_input_ids": shifted}

        model.register_forward_pre_hook(add_decoder_tokens, with_kwargs=True)
        return model
