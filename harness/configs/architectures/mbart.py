"""mBART, and PLBART, which is an mBART of programs, as readers of one text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.architectures.bart import BartReaderOnnxConfig, DummyBartTextInputGenerator
from harness.configs.feed_generators import Dims
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch


class DummyMBartTextInputGenerator(DummyBartTextInputGenerator):
    """Eager refuses a row of nothing but padding where it looks for the language: the first token
    of each row is none."""

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        tensor = super().generate(name, dims)
        if name == "input_ids":
            is_padding = tensor[:, :1] == self.normalized_config.pad_token_id
            tensor[:, :1].masked_fill_(is_padding, self.normalized_config.vocab_size - 1)
        return tensor

    def pad(self, name: str, tensor: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.cat((tensor[:, :1], super().pad(name, tensor, places)[:, 1:]), dim=1)


@register("plbart", tasks=("text-classification",))
@register("mbart", tasks=("fill-mask", "question-answering", "text-classification"))
class MBartReaderOnnxConfig(BartReaderOnnxConfig):
    """mBART reading one text: its decoder begins with the last token that is no padding, the
    language."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyMBartTextInputGenerator,)

    def first_decoder_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        count = tokens.ne(self.config.pad_token_id).sum(dim=1, keepdim=True)
        return tokens.gather(1, count - 1)
