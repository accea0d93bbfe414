"""BERT and the encoders that follow it."""

from __future__ import annotations

from harness.configs.middle_end import TextEncoderOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register


@register("bert", tasks=ENCODER_TASKS)
class BertOnnxConfig(TextEncoderOnnxConfig):
    """BERT: token ids, mask and token types."""

    INPUT_NAMES: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids")


@register("distilbert", tasks=ENCODER_TASKS)
class DistilBertOnnxConfig(TextEncoderOnnxConfig):
    """DistilBERT: BERT without token types, under other configuration names."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        hidden_size="dim", num_layers="n_layers", num_attention_heads="n_heads"
    )
