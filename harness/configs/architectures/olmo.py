"""OLMo."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import DECODER_TASKS

register_rows(
    LlamaOnnxConfig,
    Row("olmo", "Olmo", DECODER_TASKS, "norms without weights, clipped projections"),
    Row("olmo2", "Olmo2", DECODER_TASKS, "norms after blocks, and of queries and keys"),
    Row("olmo3", "Olmo3", DECODER_TASKS, "OLMo 2 with windows in most layers"),
)
