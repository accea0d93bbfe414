"""Encoder-decoders that take what BART takes and compute otherwise inside."""

from __future__ import annotations

from harness.configs.architectures.bart import (
    BartDecoderOnnxConfig,
    BartOnnxConfig,
    BartReaderOnnxConfig,
)
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import CAUSAL_TASKS, SEQ2SEQ_TASKS

READER_TASKS = ("question-answering", "text-classification")

register_rows(
    BartOnnxConfig,
    Row("bigbird_pegasus", "BigBirdPegasus", SEQ2SEQ_TASKS, "attends to a few blocks of a text"),
    Row("blenderbot", "Blenderbot", SEQ2SEQ_TASKS, "norms before attention"),
    Row("blenderbot-small", "BlenderbotSmall", SEQ2SEQ_TASKS, "norms behind attention"),
    Row("marian", "Marian", SEQ2SEQ_TASKS, "sinusoidal positions, no norm on embeddings"),
    Row("mbart", "MBart", SEQ2SEQ_TASKS, "norms before attention, and behind the last layer"),
    Row("mvp", "Mvp", SEQ2SEQ_TASKS, "layers may attend to learned keys and values"),
    Row("pegasus", "Pegasus", SEQ2SEQ_TASKS, "sinusoidal positions, norms before attention"),
    Row("plbart", "PLBart", SEQ2SEQ_TASKS, "source code in place of text"),
)

register_rows(
    BartDecoderOnnxConfig,
    Row("bigbird_pegasus", "BigBirdPegasusDecoder", CAUSAL_TASKS, "its decoder alone"),
    Row("blenderbot", "BlenderbotDecoder", CAUSAL_TASKS, "its decoder alone"),
    Row("blenderbot-small", "BlenderbotSmallDecoder", CAUSAL_TASKS, "its decoder alone"),
    Row("marian", "MarianDecoder", CAUSAL_TASKS, "its decoder alone"),
    Row("mbart", "MBartDecoder", CAUSAL_TASKS, "its decoder alone"),
    Row("mvp", "MvpDecoder", CAUSAL_TASKS, "its decoder alone"),
    Row("pegasus", "PegasusDecoder", CAUSAL_TASKS, "its decoder alone"),
    Row("plbart", "PLBartDecoder", CAUSAL_TASKS, "its decoder alone"),
)

register_rows(
    BartReaderOnnxConfig,
    Row("bigbird_pegasus", "BigBirdPegasusReader", READER_TASKS, "reads one text"),
    Row("mvp", "MvpReader", ("fill-mask", *READER_TASKS), "reads one text"),
)
