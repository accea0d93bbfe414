"""Granite."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register


@register("granite", tasks=GENERATING_TASKS)
class GraniteOnnxConfig(LlamaOnnxConfig):
    """Granite: Llama with factors on embeddings, scores, residuals and logits."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 5e-5,
        "text-generation": 5e-5,
    }


@register("granite_swa", tasks=GENERATING_TASKS)
class GraniteSWAOnnxConfig(GraniteOnnxConfig):
    """Granite with layers that see a window, and a learned score that attends to nothing."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 4e-5,
        "text-generation": 4e-5,
    }


@register("hyperclovax", tasks=GENERATING_TASKS)
class HyperCLOVAXOnnxConfig(GraniteOnnxConfig):
    """HyperCLOVA X: Granite that also normalises after each block."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 5e-5,
        "text-generation": 1.5e-4,
    }
