"""MVP."""

from __future__ import annotations

from harness.configs.architectures.bart import (
    BartDecoderOnnxConfig,
    BartOnnxConfig,
    BartReaderOnnxConfig,
)
from harness.configs.task_table import CAUSAL_TASKS, SEQ2SEQ_TASKS
from harness.configs.tasks import register


@register("mvp", tasks=SEQ2SEQ_TASKS)
class MvpOnnxConfig(BartOnnxConfig):
    """MVP: a BART whose layers may attend to prompts, keys and values that are learned."""


@register("mvp", tasks=CAUSAL_TASKS)
class MvpDecoderOnnxConfig(BartDecoderOnnxConfig):
    """MVP's decoder alone."""


@register("mvp", tasks=("fill-mask", "question-answering", "text-classification"))
class MvpReaderOnnxConfig(BartReaderOnnxConfig):
    """MVP reading one text."""
