"""Phi, and decoders that rotate part of each head as it does."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import LABELLING_TASKS

register_rows(
    LlamaOnnxConfig,
    Row("phi", "Phi", LABELLING_TASKS, "parallel blocks, part of each head is rotated"),
    Row("phi3", "Phi3", LABELLING_TASKS, "one projection for queries, keys, values; a window"),
    Row("persimmon", "Persimmon", LABELLING_TASKS, "one interleaved projection, partial rotation"),
    Row("stablelm", "StableLM", LABELLING_TASKS, "partial rotation, a norm for each head"),
    Row("starcoder2", "Starcoder2", LABELLING_TASKS, "layer norms, biases throughout, a window"),
)
