"""Blenderbot, large and small."""

from __future__ import annotations

from harness.configs.architectures.bart import BartDecoderOnnxConfig, BartOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import CAUSAL_TASKS, SEQ2SEQ_TASKS

register_rows(
    BartOnnxConfig,
    Row("blenderbot", "Blenderbot", SEQ2SEQ_TASKS, "norms before attention"),
    Row("blenderbot-small", "BlenderbotSmall", SEQ2SEQ_TASKS, "norms behind attention"),
)

register_rows(
    BartDecoderOnnxConfig,
    Row("blenderbot", "BlenderbotDecoder", CAUSAL_TASKS, "its decoder alone"),
    Row("blenderbot-small", "BlenderbotSmallDecoder", CAUSAL_TASKS, "its decoder alone"),
)
