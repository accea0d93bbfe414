"""T5."""

from __future__ import annotations

from harness.configs.middle_end import TextSeq2SeqOnnxConfig
from harness.configs.normalized_config import NormalizedSeq2SeqConfig
from harness.configs.tasks import register


@register(
    "t5",
    tasks=(
        "feature-extraction",
        "feature-extraction-with-past",
        "text2text-generation",
        "text2text-generation-with-past",
    ),
)
class T5OnnxConfig(TextSeq2SeqOnnxConfig):
    """T5: relative positions of any length, heads that need not add up to the width."""

    ATOL_FOR_VALIDATION = {"feature-extraction": 7e-5, "text2text-generation": 5e-5}
    NORMALIZED_CONFIG_CLASS = NormalizedSeq2SeqConfig.with_args(
        num_layers="num_decoder_layers", num_attention_heads="num_heads", head_dim="d_kv"
    )
