"""Blenderbot, large and small."""

from __future__ import annotations

from harness.configs.architectures.bart import BartDecoderOnnxConfig, BartOnnxConfig
from harness.configs.task_table import CAUSAL_TASKS, SEQ2SEQ_TASKS
from harness.configs.tasks import register


@register("blenderbot", tasks=SEQ2SEQ_TASKS)
class BlenderbotOnnxConfig(BartOnnxConfig):
    """Blenderbot: learned positions, norms before attention."""


@register("blenderbot", tasks=CAUSAL_TASKS)
class BlenderbotDecoderOnnxConfig(BartDecoderOnnxConfig):
    """Blenderbot's decoder alone."""

    ATOL_FOR_VALIDATION = 2.5e-5


@register("blenderbot-small", tasks=SEQ2SEQ_TASKS)
class BlenderbotSmallOnnxConfig(BartOnnxConfig):
    """Blenderbot Small: norms behind attention, and positions that are added behind one."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 1e-5,
        "feature-extraction-with-past": 6.5e-5,
        "text2text-generation": 6.6e-5,
    }


@register("blenderbot-small", tasks=CAUSAL_TASKS)
class BlenderbotSmallDecoderOnnxConfig(BartDecoderOnnxConfig):
    """Blenderbot Small's decoder alone."""

    ATOL_FOR_VALIDATION = 2.5e-5
