"""OPT and other decoders made of layers like those of BART and BERT."""

from __future__ import annotations

from harness.configs.middle_end import (
    TextDecoderOnnxConfig,
    TextDecoderWithPositionIdsOnnxConfig,
    TextEncoderOnnxConfig,
)
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import DECODER_TASKS, GENERATING_TASKS
from harness.configs.tasks import register

WRITING_TASKS = ("text-generation", "text-generation-with-past")


@register("opt", tasks=(*DECODER_TASKS, "question-answering"))
class OPTOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """OPT: embeddings narrower than the layers where configured so."""


@register("xglm", tasks=GENERATING_TASKS)
class XGLMOnnxConfig(OPTOnnxConfig):
    """XGLM: sines and cosines for positions, scaled embeddings."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(num_layers="num_layers")


@register("trocr", tasks=WRITING_TASKS)
class TrOCROnnxConfig(TextDecoderOnnxConfig):
    """TrOCR's decoder without the images that its layers may attend to."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        num_layers="decoder_layers",
        num_attention_heads="decoder_attention_heads",
        hidden_size="d_model",
    )


@register("bert-generation", tasks=("feature-extraction",))
class BertGenerationEncoderOnnxConfig(TextEncoderOnnxConfig):
    """BERT for generation as an encoder, without types of tokens."""


register_rows(
    OPTOnnxConfig,
    Row("bert-generation", "BertGeneration", WRITING_TASKS, "BERT's layers as a decoder"),
    Row("biogpt", "BioGpt", (*DECODER_TASKS, "token-classification"), "scaled embeddings"),
)
