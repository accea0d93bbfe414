"""Marian."""

from __future__ import annotations

from harness.configs.architectures.bart import BartDecoderOnnxConfig, BartOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import CAUSAL_TASKS, SEQ2SEQ_TASKS

register_rows(
    BartOnnxConfig,
    Row("marian", "Marian", SEQ2SEQ_TASKS, "sinusoidal positions, no norm on embeddings"),
)

register_rows(
    BartDecoderOnnxConfig,
    Row("marian", "MarianDecoder", CAUSAL_TASKS, "its decoder alone"),
)
