"""MPNet."""

from __future__ import annotations

from harness.configs.architectures.roberta import RobertaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import ENCODER_TASKS

register_rows(
    RobertaOnnxConfig,
    Row("mpnet", "MPNet", ENCODER_TASKS, "relative positions in every layer"),
)
