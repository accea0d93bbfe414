"""OLMo."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import DECODER_TASKS
from harness.configs.tasks import register


@register("olmo", tasks=DECODER_TASKS)
class OlmoOnnxConfig(LlamaOnnxConfig):
    """OLMo: normalisations without weights, clipped queries, keys and values."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 6e-5,
        "text-classification": 4e-5,
        "text-generation": 1e-4,
    }


@register("olmo2", tasks=DECODER_TASKS)
class Olmo2OnnxConfig(OlmoOnnxConfig):
    """OLMo 2: normalised after each block; queries and keys over all heads at once."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 4e-5,
        "text-classification": 2e-5,
        "text-generation": 4e-5,
    }


@register("olmo3", tasks=DECODER_TASKS)
class Olmo3OnnxConfig(Olmo2OnnxConfig):
    """OLMo 3: most layers see a window."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 2e-5,
        "text-classification": 2e-5,
        "text-generation": 4e-5,
    }
