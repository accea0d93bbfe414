"""Marian."""

from __future__ import annotations

from harness.configs.architectures.bart import BartDecoderOnnxConfig, BartOnnxConfig
from harness.configs.task_table import CAUSAL_TASKS, SEQ2SEQ_TASKS
from harness.configs.tasks import register


@register("marian", tasks=SEQ2SEQ_TASKS)
class MarianOnnxConfig(BartOnnxConfig):
    """Marian: a BART with sinusoidal positions and no norm on its embeddings."""


@register("marian", tasks=CAUSAL_TASKS)
class MarianDecoderOnnxConfig(BartDecoderOnnxConfig):
    """Marian's decoder alone."""
