"""Mistral and its small siblings."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import ANSWERING_TASKS
from harness.configs.tasks import register


@register("mistral", tasks=ANSWERING_TASKS)
class MistralOnnxConfig(LlamaOnnxConfig):
    """Mistral: every layer may see a window."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 6e-5,
        "question-answering": 8e-5,
        "text-classification": 2e-5,
        "text-generation": 1e-4,
        "token-classification": 1e-4,
    }


@register("ministral", tasks=ANSWERING_TASKS)
class MinistralOnnxConfig(LlamaOnnxConfig):
    """Ministral: some layers see a window."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 5e-5,
        "question-answering": 3e-5,
        "text-classification": 6e-5,
        "text-generation": 1.5e-4,
        "token-classification": 5e-5,
    }


@register("ministral3", tasks=ANSWERING_TASKS)
class Ministral3OnnxConfig(LlamaOnnxConfig):
    """Ministral 3: Llama with YaRN, and queries scaled by a factor that grows with position."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 5e-5,
        "question-answering": 5e-5,
        "text-classification": 3e-5,
        "text-generation": 1.5e-4,
        "token-classification": 8e-5,
    }
