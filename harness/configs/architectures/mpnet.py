"""MPNet."""

from __future__ import annotations

from harness.configs.architectures.roberta import RobertaOnnxConfig
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register


@register("mpnet", tasks=ENCODER_TASKS)
class MPNetOnnxConfig(RobertaOnnxConfig):
    """MPNet: RoBERTa's positions, and relative ones in every layer."""
