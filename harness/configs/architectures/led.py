"""LED."""

from __future__ import annotations

from harness.configs.architectures.bart import BartOnnxConfig, BartReaderOnnxConfig
from harness.configs.architectures.longformer import AttendsWithinWindows
from harness.configs.normalized_config import NormalizedSeq2SeqConfig
from harness.configs.seq2seq import SEQ2SEQ_TASKS
from harness.configs.tasks import register

NormalizedLEDConfig = NormalizedSeq2SeqConfig.with_args(
    max_positions="max_decoder_position_embeddings"
)


@register("led", tasks=SEQ2SEQ_TASKS)
class LEDOnnxConfig(AttendsWithinWindows, BartOnnxConfig):
    """LED: a BART whose encoder attends within a window."""

    NORMALIZED_CONFIG_CLASS = NormalizedLEDConfig


@register("led", tasks=("question-answering",))
class LEDReaderOnnxConfig(AttendsWithinWindows, BartReaderOnnxConfig):
    """LED reading one text."""

    ATOL_FOR_VALIDATION = 2.5e-5
    NORMALIZED_CONFIG_CLASS = NormalizedLEDConfig
