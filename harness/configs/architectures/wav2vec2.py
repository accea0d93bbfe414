"""wav2vec 2.0, and models with the same feature encoder."""

from __future__ import annotations

from harness.configs.rows import Row, register_rows
from harness.configs.speech import Convolutions, SpeechEncoderOnnxConfig
from harness.configs.tasks import register


@register(
    "wav2vec2",
    tasks=(
        "audio-classification",
        "audio-frame-classification",
        "audio-xvector",
        "automatic-speech-recognition",
        "feature-extraction",
    ),
)
class Wav2Vec2OnnxConfig(SpeechEncoderOnnxConfig):
    """wav2vec 2.0. An adapter, if there is one, shortens the frames further."""

    @property
    def convolutions(self) -> Convolutions:
        config, features = self.normalized_config, super().convolutions
        if not config.add_adapter:
            return features
        adapter = (config.adapter_kernel_size, config.adapter_stride, 1)
        return (*features, *(adapter for _ in range(config.num_adapter_layers)))


register_rows(
    SpeechEncoderOnnxConfig,
    Row(
        "hubert",
        "Hubert",
        ("audio-classification", "automatic-speech-recognition", "feature-extraction"),
        "trained to predict clusters of frames; without an adapter",
    ),
)
