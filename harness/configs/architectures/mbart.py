"""mBART, and PLBART, which is an mBART of programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.architectures.bart import (
    BartDecoderOnnxConfig,
    BartOnnxConfig,
    BartReaderOnnxConfig,
    DummyBartTextInputGenerator,
)
from harness.configs.feed_generators import Dims
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import CAUSAL_TASKS, SEQ2SEQ_TASKS
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


register_rows(
    BartOnnxConfig,
    Row("plbart", "PLBart", SEQ2SEQ_TASKS, "source code in place of text"),
    Row("mbart", "MBart", SEQ2SEQ_TASKS, "norms before attention, and behind the last layer"),
)

register_rows(
    BartDecoderOnnxConfig,
    Row("plbart", "PLBartDecoder", CAUSAL_TASKS, "its decoder alone"),
    Row("mbart", "MBartDecoder", CAUSAL_TASKS, "its decoder alone"),
)
