"""The decoder of ModernBERT."""

from __future__ import annotations

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.task_table import DECODER_TASKS
from harness.configs.tasks import register


@register("modernbert-decoder", tasks=DECODER_TASKS)
class ModernBertDecoderOnnxConfig(LlamaOnnxConfig):
    """ModernBERT as a decoder: layer normalisation, most layers see half of `local_attention`."""
