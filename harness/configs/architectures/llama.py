"""Llama and the decoders that follow it."""

from __future__ import annotations

from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import ANSWERING_TASKS, DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register


@register("llama", tasks=DECODER_TASKS)
class LlamaOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """Llama: rotary positions, grouped key-value heads."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig


register_rows(
    LlamaOnnxConfig,
    Row("arcee", "Arcee", ANSWERING_TASKS, "a squared ReLU in place of a gate"),
    Row("bitnet", "BitNet", GENERATING_TASKS, "norms within attention and feed-forward layer"),
    Row("cwm", "Cwm", GENERATING_TASKS, "windows in some layers"),
    Row("exaone4", "Exaone4", ANSWERING_TASKS, "norms after blocks, positions within windows only"),
    Row("hunyuan_v1_dense", "HunYuanDenseV1", DECODER_TASKS, "norms of rotated queries and keys"),
    Row("internlm3", "InternLM3", GENERATING_TASKS, "another name alone"),
    Row("iquestcoder", "IQuestCoder", GENERATING_TASKS, "another name alone"),
    Row("jais2", "Jais2", GENERATING_TASKS, "layer norms, a squared ReLU in place of a gate"),
    Row("nanochat", "NanoChat", GENERATING_TASKS, "norms without weights, soft-capped logits"),
    # Optimum leaves `position_ids` out; generation feeds them, and they matter if a mask has
    # holes.
    Row("nemotron", "Nemotron", ANSWERING_TASKS, "partial rotation, norms offset from 1"),
    Row("seed_oss", "SeedOss", ANSWERING_TASKS, "biases of its own on each side of attention"),
    Row("smollm3", "SmolLM3", ANSWERING_TASKS, "no positions in some layers"),
)
