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


@register("blenderbot-small", tasks=SEQ2SEQ_TASKS)
class BlenderbotSmallOnnxConfig(BartOnnxConfig):
    """Blenderbot Small: norms behind attention, and positions that are added behind one."""


@register("blenderbot-small", tasks=CAUSAL_TASKS)
class BlenderbotSmallDecoderOnnxConfig(BartDecoderOnnxConfig):
    """Blenderbot Small's decoder alone."""
