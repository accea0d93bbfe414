"""OLMo."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import DECODER_TASKS
from harness.configs.tasks import register


@register("olmo", tasks=DECODER_TASKS)
class OlmoOnnxConfig(LlamaOnnxConfig):
    """OLMo: normalisations without weights, clipped queries, keys and values."""


@register("olmo2", tasks=DECODER_TASKS)
class Olmo2OnnxConfig(OlmoOnnxConfig):
    """OLMo 2: normalised after each block; queries and keys over all heads at once."""


@register("olmo3", tasks=DECODER_TASKS)
class Olmo3OnnxConfig(Olmo2OnnxConfig):
    """OLMo 3: most layers see a window."""
