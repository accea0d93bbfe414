"""LED."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.architectures.bart import BartOnnxConfig, BartReaderOnnxConfig
from harness.configs.architectures.longformer import score_all_pairs
from harness.configs.normalized_config import NormalizedSeq2SeqConfig
from harness.configs.seq2seq import SEQ2SEQ_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    from torch import nn

NormalizedLEDConfig = NormalizedSeq2SeqConfig.with_args(
    max_positions="max_decoder_position_embeddings"
)


@register("led", tasks=SEQ2SEQ_TASKS)
class LEDOnnxConfig(BartOnnxConfig):
    """LED: a BART whose encoder attends within a window."""

    NORMALIZED_CONFIG_CLASS = NormalizedLEDConfig

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        return score_all_pairs(super().patch_model_for_export(model))


@register("led", tasks=("question-answering",))
class LEDReaderOnnxConfig(BartReaderOnnxConfig):
    """LED reading one text."""

    ATOL_FOR_VALIDATION = 2.5e-5
    NORMALIZED_CONFIG_CLASS = NormalizedLEDConfig

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        return score_all_pairs(super().patch_model_for_export(model))
