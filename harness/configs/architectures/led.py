"""LED."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.configs.architectures.bart import BartOnnxConfig, BartReaderOnnxConfig
from harness.configs.architectures.longformer import AttendsWithinWindows
from harness.configs.normalized_config import NormalizedSeq2SeqConfig
from harness.configs.task_table import SEQ2SEQ_TASKS
from harness.configs.tasks import register

NormalizedLEDConfig = NormalizedSeq2SeqConfig.with_args(
    max_positions="max_decoder_position_embeddings"
)


@register("led", tasks=SEQ2SEQ_TASKS)
class LEDOnnxConfig(AttendsWithinWindows, BartOnnxConfig):
    """LED: a BART whose encoder attends within a window, and has a longer table of positions than
    its decoder."""

    NORMALIZED_CONFIG_CLASS = NormalizedLEDConfig

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        longest = self.config.max_encoder_position_embeddings
        return {**super().axis_ceilings, "encoder_sequence_length": longest}

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {"encoder_sequence_length": self.windows}


@register("led", tasks=("question-answering",))
class LEDReaderOnnxConfig(AttendsWithinWindows, BartReaderOnnxConfig):
    """LED reading one text, which both tables of positions limit."""

    NORMALIZED_CONFIG_CLASS = NormalizedLEDConfig

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        tables = (
            self.config.max_encoder_position_embeddings,
            self.config.max_decoder_position_embeddings,
        )
        return {"sequence_length": min(tables)}

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {"sequence_length": self.windows}
