"""MiniCPM 3 and Youtu: dense decoders whose cache is compressed."""

from __future__ import annotations

from harness.configs.architectures.deepseek import NormalizedLatentAttentionConfig
from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register


@register("minicpm3", tasks=DECODER_TASKS)
class MiniCPM3OnnxConfig(LlamaOnnxConfig):
    """MiniCPM 3: latent attention, factors on embeddings, residuals and logits."""

    NORMALIZED_CONFIG_CLASS = NormalizedLatentAttentionConfig


register_rows(
    MiniCPM3OnnxConfig,
    Row("youtu", "Youtu", GENERATING_TASKS, "neighbouring pairs are rotated"),
)
