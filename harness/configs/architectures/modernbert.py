"""ModernBERT and other encoders of rotary positions, built like today's decoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.architectures.roberta import NO_TOKEN_TYPES
from harness.configs.middle_end import TextEncoderOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register

TASKS = ("feature-extraction", "fill-mask", "text-classification", "token-classification")


@register("modernbert", tasks=ENCODER_TASKS)
class ModernBertOnnxConfig(TextEncoderOnnxConfig):
    """ModernBERT: windowed layers, in which a token sees as many on either side."""

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        text = self.normalized_config
        has_window = text.has_attribute("attention_window")
        return {"sequence_length": (text.attention_window + 1,) if has_window else ()}


@register("gte", tasks=TASKS)
class GteOnnxConfig(ModernBertOnnxConfig):
    """GTE: BERT's layers with rotary positions and gated feed-forward; one type of token."""

    OMITTED_INPUTS = NO_TOKEN_TYPES


@register("jina_embeddings_v3", tasks=(*TASKS, "question-answering"))
class JinaEmbeddingsV3OnnxConfig(ModernBertOnnxConfig):
    """Jina's embeddings, version 3: XLM-RoBERTa with rotary positions."""

    OMITTED_INPUTS = NO_TOKEN_TYPES


@register("nomic_bert", tasks=TASKS)
class NomicBertOnnxConfig(ModernBertOnnxConfig):
    """Nomic BERT: rotary positions, and types of tokens as BERT has."""

    INPUT_NAMES = BertOnnxConfig.INPUT_NAMES


register_rows(
    ModernBertOnnxConfig,
    Row("ultrabert", "Ultrabert", (*TASKS, "question-answering"), "grouped key-value heads"),
    Row("esmc", "Esmc", TASKS, "reads proteins, and has no windows"),
    Row("eurobert", "EuroBert", TASKS, "Llama's layers, seeing both ways"),
)
