"""Granite."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register


@register("granite", tasks=GENERATING_TASKS)
class GraniteOnnxConfig(LlamaOnnxConfig):
    """Granite: Llama with factors on embeddings, scores, residuals and logits."""


@register("granite_swa", tasks=GENERATING_TASKS)
class GraniteSWAOnnxConfig(GraniteOnnxConfig):
    """Granite with layers that see a window, and a learned score that attends to nothing."""


@register("hyperclovax", tasks=GENERATING_TASKS)
class HyperCLOVAXOnnxConfig(GraniteOnnxConfig):
    """HyperCLOVA X: Granite that also normalises after each block."""
