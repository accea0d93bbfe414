"""GLM, and decoders that rotate neighbouring pairs as it does."""

from __future__ import annotations

from harness.configs.architectures.interleaved import RotatesByRepeating
from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import GENERATING_TASKS, LABELLING_TASKS
from harness.configs.tasks import register


@register("glm", tasks=LABELLING_TASKS)
class GlmOnnxConfig(RotatesByRepeating, LlamaOnnxConfig):
    """GLM: half of each head is rotated in neighbouring pairs."""


register_rows(
    GlmOnnxConfig,
    Row("glm4", "Glm4", LABELLING_TASKS, "norms before and after each block"),
    Row("ernie4_5", "Ernie4_5", GENERATING_TASKS, "whole heads are rotated, no dropout at all"),
    Row("helium", "Helium", LABELLING_TASKS, "whole heads are rotated"),
)
