"""MPNet."""

from __future__ import annotations

from harness.configs.architectures.roberta import RobertaOnnxConfig
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register


@register("mpnet", tasks=ENCODER_TASKS)
class MPNetOnnxConfig(RobertaOnnxConfig):
    """MPNet: RoBERTa's positions, and relative ones in every layer."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 2e-5,
        "fill-mask": 6.5e-5,
        "multiple-choice": 2e-5,
        "question-answering": 1.9e-5,
        "text-classification": 3e-5,
        "token-classification": 5e-5,
    }
