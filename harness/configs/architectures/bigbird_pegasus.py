"""BigBird-PEGASUS."""

from __future__ import annotations

from harness.configs.architectures.bart import (
    BartDecoderOnnxConfig,
    BartOnnxConfig,
    BartReaderOnnxConfig,
)
from harness.configs.task_table import CAUSAL_TASKS, SEQ2SEQ_TASKS
from harness.configs.tasks import register


@register("bigbird_pegasus", tasks=SEQ2SEQ_TASKS)
class BigBirdPegasusOnnxConfig(BartOnnxConfig):
    """BigBird-PEGASUS. Its encoder attends to a few blocks of a text where that has many, and from
    the first short one on to all of any: the tiny model does so from the beginning."""


@register("bigbird_pegasus", tasks=CAUSAL_TASKS)
class BigBirdPegasusDecoderOnnxConfig(BartDecoderOnnxConfig):
    """BigBird-PEGASUS's decoder alone."""


@register("bigbird_pegasus", tasks=("question-answering", "text-classification"))
class BigBirdPegasusReaderOnnxConfig(BartReaderOnnxConfig):
    """BigBird-PEGASUS reading one text."""
