"""Mistral and its small siblings."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import ANSWERING_TASKS
from harness.configs.tasks import register


@register("mistral", tasks=ANSWERING_TASKS)
class MistralOnnxConfig(LlamaOnnxConfig):
    """Mistral: every layer may see a window."""


@register("ministral", tasks=ANSWERING_TASKS)
class MinistralOnnxConfig(LlamaOnnxConfig):
    """Ministral: some layers see a window."""


@register("ministral3", tasks=ANSWERING_TASKS)
class Ministral3OnnxConfig(LlamaOnnxConfig):
    """Ministral 3: Llama with YaRN, and queries scaled by a factor that grows with position."""
