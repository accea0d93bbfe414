"""Qwen."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import ANSWERING_TASKS

register_rows(
    LlamaOnnxConfig,
    Row("qwen2", "Qwen2", ANSWERING_TASKS, "biases, windows from some depth on"),
    Row("qwen3", "Qwen3", ANSWERING_TASKS, "norms of queries and keys, heads of any size"),
)
