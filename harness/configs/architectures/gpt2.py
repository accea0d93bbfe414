"""GPT-2."""

from __future__ import annotations

from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.tasks import register


@register(
    "gpt2",
    tasks=(
        "feature-extraction",
        "feature-extraction-with-past",
        "text-classification",
        "text-generation",
        "text-generation-with-past",
        "token-classification",
    ),
)
class GPT2OnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """GPT-2: learned positions, one key-value head per query head."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 5e-5,
        "text-classification": 3e-5,
        "text-generation": 1e-4,
        "token-classification": 5e-5,
    }
    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        hidden_size="n_embd",
        num_layers="n_layer",
        num_attention_heads="n_head",
        max_positions="n_positions",
    )
