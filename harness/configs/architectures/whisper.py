"""Whisper."""

from __future__ import annotations

from collections.abc import Mapping

from harness.configs.middle_end import AudioOnnxConfig, AudioToTextOnnxConfig
from harness.configs.normalized_config import NormalizedSeq2SeqConfig
from harness.configs.task_table import Axes
from harness.configs.tasks import register


class NormalizedWhisperConfig(NormalizedSeq2SeqConfig):
    """Whisper: the encoder halves the frames of a spectrogram, the decoder has the positions."""

    _NAMES = {**NormalizedSeq2SeqConfig._NAMES, "max_positions": "max_target_positions"}

    @property
    def num_frames(self) -> int:
        """Frames of the spectrogram."""
        return 2 * int(self.max_source_positions)


@register(
    "whisper",
    tasks=(
        "automatic-speech-recognition",
        "automatic-speech-recognition-with-past",
        "feature-extraction",
        "feature-extraction-with-past",
    ),
)
class WhisperOnnxConfig(AudioToTextOnnxConfig):
    """Whisper. Eager refuses a spectrogram of any other length than the model's 30 seconds, so of
    the axes of `input_features` only the batch is dynamic."""

    NORMALIZED_CONFIG_CLASS = NormalizedWhisperConfig


@register("whisper", tasks=("audio-classification",))
class WhisperEncoderOnnxConfig(AudioOnnxConfig):
    """Whisper's encoder alone, classifying sound."""

    NORMALIZED_CONFIG_CLASS = NormalizedWhisperConfig

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"input_features": {0: "batch_size"}}
