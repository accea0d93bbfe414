"""GPT-2 and the decoders that follow it: learned positions, sinusoids or rotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    from torch import nn

NAMES = {
    "hidden_size": "n_embd",
    "num_layers": "n_layer",
    "num_attention_heads": "n_head",
    "max_positions": "n_positions",
}


class NormalizedMultiQueryConfig(NormalizedTextConfig):
    """GPT-BigCode's: one key-value head for all queries, or as many as there are."""

    @property
    def num_key_value_heads(self) -> int:
        return 1 if self.multi_query else int(self.num_attention_heads)


def with_room_beyond_the_last_position(model: nn.Module) -> nn.Module:
    """Add an unused row and column to each table `bias` of who sees whom.

    Of a slice that may be the whole table, torch.export demands that it never is. Layers with equal
    tables get one, which dynamo would write once for each of them.
    """
    import torch

    tables: list[torch.Tensor] = []
    for module in model.modules():
        table = dict(module.named_buffers(recurse=False)).get("bias")
        if table is not None:
            wider = torch.nn.functional.pad(table, (0, 1, 0, 1))
            module.bias = next((one for one in tables if torch.equal(one, wider)), wider)
            tables.append(module.bias)
    return model


@register("gpt2", tasks=(*DECODER_TASKS, "token-classification"))
class GPT2OnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """GPT-2: learned positions, one key-value head per query head."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(**NAMES)


@register("gpt_bigcode", tasks=(*DECODER_TASKS, "token-classification"))
class GPTBigCodeOnnxConfig(GPT2OnnxConfig):
    """GPT-BigCode: one key-value head for all queries."""

    NORMALIZED_CONFIG_CLASS = NormalizedMultiQueryConfig.with_args(**NAMES)


@register("gpt_neo", tasks=(*DECODER_TASKS, "question-answering", "token-classification"))
class GPTNeoOnnxConfig(GPT2OnnxConfig):
    """GPT-Neo: every other layer sees a window."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        num_layers="num_layers", num_attention_heads="num_heads", sliding_window="window_size"
    )

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        return with_room_beyond_the_last_position(model)


@register("gpt_neox", tasks=(*DECODER_TASKS, "question-answering", "token-classification"))
class GPTNeoXOnnxConfig(GPT2OnnxConfig):
    """GPT-NeoX: rotary positions on a part of each head."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig


@register("openai-gpt", tasks=("feature-extraction", "text-classification", "text-generation"))
class OpenAIGPTOnnxConfig(GPT2OnnxConfig):
    """GPT: norms stand behind attention and feed-forward, and there is no cache."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        return with_room_beyond_the_last_position(model)


register_rows(
    GPT2OnnxConfig,
    Row("gptj", "GPTJ", (*DECODER_TASKS, "question-answering"), "partial rotation"),
    Row("codegen", "CodeGen", GENERATING_TASKS, "GPT-J, whose projections are one matrix"),
    Row("ctrl", "CTRL", DECODER_TASKS, "sinusoidal positions"),
)

register_rows(
    GPTNeoXOnnxConfig,
    Row("gpt_neox_japanese", "GPTNeoXJapanese", GENERATING_TASKS, "fewer biases"),
)
