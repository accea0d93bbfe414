"""BigBird-PEGASUS."""

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
    Row("bigbird_pegasus", "BigBirdPegasus", SEQ2SEQ_TASKS, "attends to a few blocks of a text"),
)

register_rows(
    BartDecoderOnnxConfig,
    Row("bigbird_pegasus", "BigBirdPegasusDecoder", CAUSAL_TASKS, "its decoder alone"),
)

register_rows(
    BartReaderOnnxConfig,
    Row(
        "bigbird_pegasus",
        "BigBirdPegasusReader",
        ("question-answering", "text-classification"),
        "reads one text",
    ),
)
