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

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 3e-5,
        "feature-extraction-with-past": 1e-4,
        "text2text-generation": 1e-4,
    }


@register("mvp", tasks=CAUSAL_TASKS)
class MvpDecoderOnnxConfig(BartDecoderOnnxConfig):
    """MVP's decoder alone."""

    ATOL_FOR_VALIDATION = 6e-5


@register("mvp", tasks=("fill-mask", "question-answering", "text-classification"))
class MvpReaderOnnxConfig(BartReaderOnnxConfig):
    """MVP reading one text."""

    ATOL_FOR_VALIDATION = {
        "fill-mask": 4.5e-5,
        "question-answering": 3e-5,
        "text-classification": 1e-5,
    }
