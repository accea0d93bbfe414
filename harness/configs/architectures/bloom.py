"""Bloom and other decoders with biases that grow with the distance in place of positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.middle_end import TextDecoderOnnxConfig, TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.task_table import DECODER_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    from torch import nn

TASKS = (*DECODER_TASKS, "question-answering", "token-classification")


@register("bloom", tasks=TASKS)
class BloomOnnxConfig(TextDecoderOnnxConfig):
    """Bloom: distances are counted over the mask."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        num_layers="n_layer", num_attention_heads="n_head"
    )


@register("mpt", tasks=TASKS)
class MptOnnxConfig(BloomOnnxConfig):
    """MPT: distances are counted over all tokens, up to a greatest length."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        num_layers="n_layers",
        num_attention_heads="n_heads",
        hidden_size="d_model",
        max_positions="max_seq_len",
    )

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Count distances up to one more: of a slice that may be all of them, torch.export demands
        that it never is. They are counted from the last token, so that nothing else changes."""
        config: Any = model.config
        config.max_seq_len += 1
        return model


class NormalizedFalconConfig(NormalizedTextConfig):
    """Falcon's: keys are kept for one head, or for all, those of groups repeated."""

    @property
    def num_key_value_heads(self) -> int:
        is_one = self.multi_query and not self.new_decoder_architecture
        return 1 if is_one else int(self.num_attention_heads)


@register("falcon", tasks=TASKS)
class FalconOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """Falcon: rotary positions in its newer models, one key-value head for all queries."""

    NORMALIZED_CONFIG_CLASS = NormalizedFalconConfig
