"""Llama and the decoders that follow it."""

from __future__ import annotations

from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.task_table import ANSWERING_TASKS, DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register


@register("llama", tasks=DECODER_TASKS)
class LlamaOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """Llama: rotary positions, grouped key-value heads."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig


@register("arcee", tasks=ANSWERING_TASKS)
class ArceeOnnxConfig(LlamaOnnxConfig):
    """Arcee: a squared ReLU in place of a gate."""


@register("bitnet", tasks=GENERATING_TASKS)
class BitNetOnnxConfig(LlamaOnnxConfig):
    """BitNet: normalisations within attention and within the gated feed-forward layer."""


@register("cwm", tasks=GENERATING_TASKS)
class CwmOnnxConfig(LlamaOnnxConfig):
    """Code World Model: some layers see a window."""


@register("exaone4", tasks=ANSWERING_TASKS)
class Exaone4OnnxConfig(LlamaOnnxConfig):
    """EXAONE 4: normalised after each block, and positions in windowed layers alone."""


@register("hunyuan_v1_dense", tasks=DECODER_TASKS)
class HunYuanDenseV1OnnxConfig(LlamaOnnxConfig):
    """HunYuan dense: queries and keys are normalised after their rotation."""


@register("internlm3", tasks=GENERATING_TASKS)
class InternLM3OnnxConfig(LlamaOnnxConfig):
    """InternLM 3: Llama under another name."""


@register("iquestcoder", tasks=GENERATING_TASKS)
class IQuestCoderOnnxConfig(LlamaOnnxConfig):
    """IQuest-Coder: Llama under another name."""


@register("jais2", tasks=GENERATING_TASKS)
class Jais2OnnxConfig(LlamaOnnxConfig):
    """Jais 2: layer normalisation, and a squared ReLU in place of a gate."""


@register("nanochat", tasks=GENERATING_TASKS)
class NanoChatOnnxConfig(LlamaOnnxConfig):
    """NanoChat: normalisations without weights, soft-capped logits."""


@register("nemotron", tasks=ANSWERING_TASKS)
class NemotronOnnxConfig(LlamaOnnxConfig):
    """Nemotron: part of each head is rotated, normalisation weights are offsets from 1.

    Optimum leaves `position_ids` out; generation feeds them, and they matter if a mask has holes.
    """


@register("seed_oss", tasks=ANSWERING_TASKS)
class SeedOssOnnxConfig(LlamaOnnxConfig):
    """Seed-OSS: biases of its own on each side of attention."""


@register("smollm3", tasks=ANSWERING_TASKS)
class SmolLM3OnnxConfig(LlamaOnnxConfig):
    """SmolLM3: some layers take no positions."""
