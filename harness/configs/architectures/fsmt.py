"""FSMT."""

from __future__ import annotations

from harness.configs.architectures.m2m_100 import M2M100OnnxConfig
from harness.configs.normalized_config import NormalizedConfig, NormalizedSeq2SeqConfig
from harness.configs.tasks import register


class NormalizedFSMTConfig(NormalizedSeq2SeqConfig):
    """FSMT: each side has a vocabulary of its own."""

    def of_modality(self, modality: str) -> NormalizedConfig:
        name = "tgt_vocab_size" if modality == "decoder" else "src_vocab_size"
        return NormalizedSeq2SeqConfig.with_args(vocab_size=name)(self.config)


@register(
    "fsmt",
    tasks=("feature-extraction", "text2text-generation", "text2text-generation-with-past"),
)
class FSMTOnnxConfig(M2M100OnnxConfig):
    """FSMT: two vocabularies, and positions that count the tokens that are no padding. Without a
    head, eager decodes no step apart from its encoder."""

    NORMALIZED_CONFIG_CLASS = NormalizedFSMTConfig
