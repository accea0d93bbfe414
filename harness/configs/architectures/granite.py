"""Granite."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import GENERATING_TASKS

register_rows(
    LlamaOnnxConfig,
    Row("granite", "Granite", GENERATING_TASKS, "factors on embeddings, scores, residuals, logits"),
    Row("granite_swa", "GraniteSWA", GENERATING_TASKS, "Granite with windows and a learned sink"),
    Row("hyperclovax", "HyperCLOVAX", GENERATING_TASKS, "Granite with norms after each block"),
)
