"""Phi, and decoders that rotate part of each head as it does."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import LABELLING_TASKS
from harness.configs.tasks import register


@register("phi", tasks=LABELLING_TASKS)
class PhiOnnxConfig(LlamaOnnxConfig):
    """Phi: attention and feed-forward layer side by side, part of each head is rotated."""


@register("phi3", tasks=LABELLING_TASKS)
class Phi3OnnxConfig(LlamaOnnxConfig):
    """Phi-3: one projection for queries, keys and values, and a window."""


@register("persimmon", tasks=LABELLING_TASKS)
class PersimmonOnnxConfig(LlamaOnnxConfig):
    """Persimmon: interleaved queries, keys and values, part of each head is rotated."""


@register("stablelm", tasks=LABELLING_TASKS)
class StableLMOnnxConfig(LlamaOnnxConfig):
    """StableLM: part of each head is rotated, layer normalisation for each head."""


@register("starcoder2", tasks=LABELLING_TASKS)
class Starcoder2OnnxConfig(LlamaOnnxConfig):
    """StarCoder2: layer normalisation, biases throughout, and a window."""
