"""Qwen."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import ANSWERING_TASKS
from harness.configs.tasks import register


@register("qwen2", tasks=ANSWERING_TASKS)
class Qwen2OnnxConfig(LlamaOnnxConfig):
    """Qwen2: biases on queries, keys and values; layers from some depth on may see a window."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 9e-5,
        "question-answering": 6e-5,
        "text-classification": 4e-5,
        "text-generation": 2e-4,
        "token-classification": 7e-5,
    }


@register("qwen3", tasks=ANSWERING_TASKS)
class Qwen3OnnxConfig(LlamaOnnxConfig):
    """Qwen3: queries and keys are normalised for each head, whose size is free."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 2e-5,
        "question-answering": 2e-5,
        "text-classification": 3e-5,
        "text-generation": 7e-5,
        "token-classification": 2e-5,
    }
