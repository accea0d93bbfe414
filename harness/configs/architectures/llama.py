"""Llama and the decoders that follow it."""

from __future__ import annotations

from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.task_table import ANSWERING_TASKS, DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register


@register("llama", tasks=DECODER_TASKS)
class LlamaOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """Llama: rotary positions, grouped key-value heads."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 1e-4,
        "question-answering": 1e-4,
        "text-classification": 5e-5,
        "text-generation": 2e-4,
        "token-classification": 1e-4,
    }
    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig


@register("arcee", tasks=ANSWERING_TASKS)
class ArceeOnnxConfig(LlamaOnnxConfig):
    """Arcee: a squared ReLU in place of a gate."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 4e-5,
        "question-answering": 4e-5,
        "text-classification": 3e-5,
        "text-generation": 7e-5,
        "token-classification": 4e-5,
    }


@register("bitnet", tasks=GENERATING_TASKS)
class BitNetOnnxConfig(LlamaOnnxConfig):
    """BitNet: normalisations within attention and within the gated feed-forward layer."""


@register("cwm", tasks=GENERATING_TASKS)
class CwmOnnxConfig(LlamaOnnxConfig):
    """Code World Model: some layers see a window."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 5e-5,
        "text-generation": 1e-4,
    }


@register("exaone4", tasks=ANSWERING_TASKS)
class Exaone4OnnxConfig(LlamaOnnxConfig):
    """EXAONE 4: normalised after each block, and positions in windowed layers alone."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 3e-5,
        "question-answering": 4e-5,
        "text-classification": 3e-5,
        "text-generation": 4e-5,
        "token-classification": 2e-5,
    }


@register("hunyuan_v1_dense", tasks=DECODER_TASKS)
class HunYuanDenseV1OnnxConfig(LlamaOnnxConfig):
    """HunYuan dense: queries and keys are normalised after their rotation."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 3.5e-5,
        "text-classification": 2e-5,
        "text-generation": 8e-5,
    }


@register("internlm3", tasks=GENERATING_TASKS)
class InternLM3OnnxConfig(LlamaOnnxConfig):
    """InternLM 3: Llama under another name."""


@register("iquestcoder", tasks=GENERATING_TASKS)
class IQuestCoderOnnxConfig(LlamaOnnxConfig):
    """IQuest-Coder: Llama under another name."""


@register("jais2", tasks=GENERATING_TASKS)
class Jais2OnnxConfig(LlamaOnnxConfig):
    """Jais 2: layer normalisation, and a squared ReLU in place of a gate."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 3e-5,
        "text-generation": 1e-4,
    }


@register("nanochat", tasks=GENERATING_TASKS)
class NanoChatOnnxConfig(LlamaOnnxConfig):
    """NanoChat: normalisations without weights, soft-capped logits."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 1.5e-5,
        "text-generation": 4e-5,
    }


@register("nemotron", tasks=ANSWERING_TASKS)
class NemotronOnnxConfig(LlamaOnnxConfig):
    """Nemotron: part of each head is rotated, normalisation weights are offsets from 1.

    Optimum leaves `position_ids` out; generation feeds them, and they matter if a mask has holes.
    """

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 3e-4,
        "question-answering": 2e-4,
        "text-classification": 2e-4,
        "text-generation": 5e-4,
        "token-classification": 3e-4,
    }


@register("seed_oss", tasks=ANSWERING_TASKS)
class SeedOssOnnxConfig(LlamaOnnxConfig):
    """Seed-OSS: biases of its own on each side of attention."""


@register("smollm3", tasks=ANSWERING_TASKS)
class SmolLM3OnnxConfig(LlamaOnnxConfig):
    """SmolLM3: some layers take no positions."""

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 5e-5,
        "question-answering": 8e-5,
        "text-classification": 3e-5,
        "text-generation": 1e-4,
        "token-classification": 1e-4,
    }
