"""Phi, and decoders that rotate part of each head as it does."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import LABELLING_TASKS
from harness.configs.tasks import register


@register("phi", tasks=LABELLING_TASKS)
class PhiOnnxConfig(LlamaOnnxConfig):
    """Phi: attention and feed-forward layer side by side, part of each head is rotated."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 9e-6,
        "text-classification": 9e-6,
        "text-generation": 2e-5,
        "token-classification": 1e-5,
    }


@register("phi3", tasks=LABELLING_TASKS)
class Phi3OnnxConfig(LlamaOnnxConfig):
    """Phi-3: one projection for queries, keys and values, and a window."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 5e-5,
        "text-classification": 5e-5,
        "text-generation": 1.5e-4,
        "token-classification": 1e-4,
    }


@register("persimmon", tasks=LABELLING_TASKS)
class PersimmonOnnxConfig(LlamaOnnxConfig):
    """Persimmon: interleaved queries, keys and values, part of each head is rotated."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 3e-5,
        "text-classification": 2e-5,
        "text-generation": 5e-5,
        "token-classification": 3e-5,
    }


@register("stablelm", tasks=LABELLING_TASKS)
class StableLMOnnxConfig(LlamaOnnxConfig):
    """StableLM: part of each head is rotated, layer normalisation for each head."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 5e-5,
        "text-classification": 4e-5,
        "text-generation": 1e-4,
        "token-classification": 4e-5,
    }


@register("starcoder2", tasks=LABELLING_TASKS)
class Starcoder2OnnxConfig(LlamaOnnxConfig):
    """StarCoder2: layer normalisation, biases throughout, and a window."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 3e-5,
        "text-classification": 2e-5,
        "text-generation": 5e-5,
        "token-classification": 3e-5,
    }
