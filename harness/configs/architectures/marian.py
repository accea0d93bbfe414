"""Marian."""

from __future__ import annotations

from harness.configs.architectures.bart import (
    DECODER_TASKS,
    BartDecoderOnnxConfig,
    BartOnnxConfig,
)
from harness.configs.seq2seq import SEQ2SEQ_TASKS
from harness.configs.tasks import register


@register("marian", tasks=SEQ2SEQ_TASKS)
class MarianOnnxConfig(BartOnnxConfig):
    """Marian: a BART with sinusoidal positions and no norm on its embeddings."""


@register("marian", tasks=DECODER_TASKS)
class MarianDecoderOnnxConfig(BartDecoderOnnxConfig):
    """Marian's decoder alone."""

    ATOL_FOR_VALIDATION = {"text-generation": 2.3e-5, "text-generation-with-past": 5e-5}
