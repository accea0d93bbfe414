"""Llama and the decoders that follow it."""

from __future__ import annotations

from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.tasks import register

DECODER_TASKS = (
    "feature-extraction",
    "feature-extraction-with-past",
    "text-classification",
    "text-generation",
    "text-generation-with-past",
)


@register("llama", tasks=DECODER_TASKS)
class LlamaOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """Llama: rotary positions, grouped key-value heads."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 1e-4,
        "text-classification": 5e-5,
        "text-generation": 2e-4,
    }
    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig
