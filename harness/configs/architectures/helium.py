"""Helium and ERNIE 4.5, which rotate as GLM does, but whole heads."""

from __future__ import annotations

from harness.configs.architectures.interleaved import RotatesByRepeating
from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import GENERATING_TASKS, LABELLING_TASKS
from harness.configs.tasks import register


@register("ernie4_5", tasks=GENERATING_TASKS)
class Ernie4_5OnnxConfig(RotatesByRepeating, LlamaOnnxConfig):  # noqa: N801
    """ERNIE 4.5: rotation of neighbouring pairs, without any dropout."""


@register("helium", tasks=LABELLING_TASKS)
class HeliumOnnxConfig(RotatesByRepeating, LlamaOnnxConfig):
    """Helium: rotation of neighbouring pairs."""
