"""The decoder of ModernBERT."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import DECODER_TASKS

register_rows(
    LlamaOnnxConfig,
    Row("modernbert-decoder", "ModernBertDecoder", DECODER_TASKS, "layer norms, windows"),
)
