"""The hierarchical reasoning model of text."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import GENERATING_TASKS

register_rows(
    LlamaOnnxConfig,
    # Without `token_type_ids` it is causal; with them a prefix is seen from both sides.
    Row("hrm_text", "HrmText", GENERATING_TASKS, "two stacks in turn, a cache for each run"),
)
