"""Qwen."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import ANSWERING_TASKS
from harness.configs.tasks import register


@register("qwen2", tasks=ANSWERING_TASKS)
class Qwen2OnnxConfig(LlamaOnnxConfig):
    """Qwen2: biases on queries, keys and values; layers from some depth on may see a window."""


@register("qwen3", tasks=ANSWERING_TASKS)
class Qwen3OnnxConfig(LlamaOnnxConfig):
    """Qwen3: queries and keys are normalised for each head, whose size is free."""
