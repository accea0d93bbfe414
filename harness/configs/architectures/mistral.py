"""Mistral and its small siblings."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import ANSWERING_TASKS

register_rows(
    LlamaOnnxConfig,
    Row("mistral", "Mistral", ANSWERING_TASKS, "windows, where configured"),
    Row("ministral", "Ministral", ANSWERING_TASKS, "windows in some layers"),
    Row("ministral3", "Ministral3", ANSWERING_TASKS, "YaRN, queries scaled by their position"),
)
