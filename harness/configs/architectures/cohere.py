"""Cohere's Command."""

from __future__ import annotations

from harness.configs.architectures.interleaved import RepeatsAngles
from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register


@register("cohere", tasks=GENERATING_TASKS)
class CohereOnnxConfig(RepeatsAngles, LlamaOnnxConfig):
    """Cohere: attention and feed-forward layer side by side, neighbouring pairs are rotated."""


register_rows(
    CohereOnnxConfig,
    Row("cohere2", "Cohere2", GENERATING_TASKS, "positions in windowed layers alone"),
)

register_rows(
    LlamaOnnxConfig,
    Row(
        "cohere_compass_text",
        "CohereCompassText",
        DECODER_TASKS,
        "parallel blocks, equal positions",
    ),
)
