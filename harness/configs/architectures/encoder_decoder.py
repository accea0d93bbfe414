"""Encoders and decoders put together, such as BERT to BERT."""

from __future__ import annotations

from harness.configs.middle_end import EncoderDecoderOnnxConfig
from harness.configs.tasks import register


@register("encoder-decoder", tasks=("text2text-generation", "text2text-generation-with-past"))
class EncoderDecoderModelOnnxConfig(EncoderDecoderOnnxConfig):
    """Any two models, of which transformers describes no more than their generation."""
