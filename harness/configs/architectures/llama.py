"""Llama and the decoders that follow it."""

from __future__ import annotations

from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import (
    ANSWERING_TASKS,
    DECODER_TASKS,
    GENERATING_TASKS,
    LABELLING_TASKS,
)
from harness.configs.tasks import register


@register("llama", tasks=DECODER_TASKS)
class LlamaOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """Llama: rotary positions, grouped key-value heads."""


register_rows(
    LlamaOnnxConfig,
    Row("arcee", "Arcee", ANSWERING_TASKS, "a squared ReLU in place of a gate"),
    Row("bitnet", "BitNet", GENERATING_TASKS, "norms within attention and feed-forward layer"),
    Row("cwm", "Cwm", GENERATING_TASKS, "windows in some layers"),
    Row("exaone4", "Exaone4", ANSWERING_TASKS, "norms after blocks, positions within windows only"),
    Row("granite", "Granite", GENERATING_TASKS, "factors on embeddings, scores, residuals, logits"),
    Row("granite_swa", "GraniteSWA", GENERATING_TASKS, "Granite with windows and a learned sink"),
    # Without `token_type_ids` it is causal; with them a prefix is seen from both sides.
    Row("hrm_text", "HrmText", GENERATING_TASKS, "two stacks in turn, a cache for each run"),
    Row("hunyuan_v1_dense", "HunYuanDenseV1", DECODER_TASKS, "norms of rotated queries and keys"),
    Row("hyperclovax", "HyperCLOVAX", GENERATING_TASKS, "Granite with norms after each block"),
    Row("internlm3", "InternLM3", GENERATING_TASKS, "another name alone"),
    Row("iquestcoder", "IQuestCoder", GENERATING_TASKS, "another name alone"),
    Row("jais2", "Jais2", GENERATING_TASKS, "layer norms, a squared ReLU in place of a gate"),
    Row("ministral", "Ministral", ANSWERING_TASKS, "windows in some layers"),
    Row("ministral3", "Ministral3", ANSWERING_TASKS, "YaRN, queries scaled by their position"),
    Row("mistral", "Mistral", ANSWERING_TASKS, "windows, where configured"),
    Row("modernbert-decoder", "ModernBertDecoder", DECODER_TASKS, "layer norms, windows"),
    Row("nanochat", "NanoChat", GENERATING_TASKS, "norms without weights, soft-capped logits"),
    # Optimum leaves `position_ids` out; generation feeds them, and they matter if a mask has
    # holes.
    Row("nemotron", "Nemotron", ANSWERING_TASKS, "partial rotation, norms offset from 1"),
    Row("olmo", "Olmo", DECODER_TASKS, "norms without weights, clipped projections"),
    Row("olmo2", "Olmo2", DECODER_TASKS, "norms after blocks, and of queries and keys"),
    Row("olmo3", "Olmo3", DECODER_TASKS, "OLMo 2 with windows in most layers"),
    Row("persimmon", "Persimmon", LABELLING_TASKS, "one interleaved projection, partial rotation"),
    Row("phi", "Phi", LABELLING_TASKS, "parallel blocks, part of each head is rotated"),
    Row("phi3", "Phi3", LABELLING_TASKS, "one projection for queries, keys, values; a window"),
    Row("qwen2", "Qwen2", ANSWERING_TASKS, "biases, windows from some depth on"),
    Row("qwen3", "Qwen3", ANSWERING_TASKS, "norms of queries and keys, heads of any size"),
    Row("seed_oss", "SeedOss", ANSWERING_TASKS, "biases of its own on each side of attention"),
    Row("smollm3", "SmolLM3", ANSWERING_TASKS, "no positions in some layers"),
    Row("stablelm", "StableLM", LABELLING_TASKS, "partial rotation, a norm for each head"),
    Row("starcoder2", "Starcoder2", LABELLING_TASKS, "layer norms, biases throughout, a window"),
)
