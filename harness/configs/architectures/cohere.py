"""Cohere's Command."""

from __future__ import annotations

from harness.configs.architectures.interleaved import RepeatsAngles
from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register


@register("cohere", tasks=GENERATING_TASKS)
class CohereOnnxConfig(RepeatsAngles, LlamaOnnxConfig):
    """Cohere: attention and feed-forward layer side by side, neighbouring pairs are rotated."""


@register("cohere2", tasks=GENERATING_TASKS)
class Cohere2OnnxConfig(CohereOnnxConfig):
    """Cohere 2: positions in windowed layers alone."""


@register("cohere_compass_text", tasks=DECODER_TASKS)
class CohereCompassTextOnnxConfig(LlamaOnnxConfig):
    """Cohere Compass's text model: attention and feed-forward layer side by side, no positions in
    some layers; a text has the same position on all three axes."""
