"""MVP."""

from __future__ import annotations

from harness.configs.architectures.bart import (
    BartDecoderOnnxConfig,
    BartOnnxConfig,
    BartReaderOnnxConfig,
)
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import CAUSAL_TASKS, SEQ2SEQ_TASKS

register_rows(
    BartOnnxConfig,
    Row("mvp", "Mvp", SEQ2SEQ_TASKS, "layers may attend to learned keys and values"),
)

register_rows(
    BartDecoderOnnxConfig,
    Row("mvp", "MvpDecoder", CAUSAL_TASKS, "its decoder alone"),
)

register_rows(
    BartReaderOnnxConfig,
    Row(
        "mvp",
        "MvpReader",
        ("fill-mask", "question-answering", "text-classification"),
        "reads one text",
    ),
)
