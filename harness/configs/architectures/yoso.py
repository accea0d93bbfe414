"""YOSO."""

from __future__ import annotations

from harness.configs.architectures.roberta import NO_TOKEN_TYPES, RobertaOnnxConfig
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register


@register("yoso", tasks=ENCODER_TASKS)
class YosoOnnxConfig(RobertaOnnxConfig):
    """YOSO by expectation: attention falls with the angle between a query and a key."""

    INPUT_NAMES = ("input_ids",)
    OMITTED_INPUTS = {
        **NO_TOKEN_TYPES,
        "attention_mask": "eager divides it by 10000 and adds 1, of which it keeps whole numbers: "
        "every token is seen whatever the mask says",
    }
