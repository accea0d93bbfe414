"""Llama 4's text model."""

from __future__ import annotations

from harness.configs.architectures.complex_rotary import RotatesComplexNumbers
from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register


class NormalizedLlama4TextConfig(NormalizedTextConfig):
    """Llama 4's, whose rotated layers see the chunk that a token is in."""

    @property
    def attention_window(self) -> int | None:
        chunked = "chunked_attention" in self.layer_types
        return int(self.attention_chunk_size) if chunked else None

    @property
    def rope_switches(self) -> tuple[int, ...]:
        """Queries of layers without rotary positions are scaled at each multiple of this."""
        tuned = (int(self.floor_scale),) if self.attn_temperature_tuning else ()
        return tuple(sorted({*super().rope_switches, *tuned}))


@register("llama4_text", tasks=GENERATING_TASKS)
class Llama4TextOnnxConfig(RotatesComplexNumbers, TextDecoderWithPositionIdsOnnxConfig):
    """Llama 4: chunked attention, queries scaled by their place where nothing is rotated; each
    expert takes all tokens, most of them scaled to nothing."""

    HEADS_AXIS = 2
    NORMALIZED_CONFIG_CLASS = NormalizedLlama4TextConfig
