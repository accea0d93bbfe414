"""The configuration of an encoder-decoder that nests the configurations of its two models."""

from __future__ import annotations

from harness.configs.normalized_config import NormalizedConfig
from harness.configs.tasks import TasksManager


class NormalizedEncoderDecoderConfig(NormalizedConfig):
    """An encoder-decoder put together of two models, each read under the names of its own
    description. As with other encoder-decoders, what has two sides is the decoder's."""

    def of_modality(self, modality: str) -> NormalizedConfig:
        """What a modality follows: the decoder, or the encoder whatever that takes."""
        return self._nested("decoder" if modality == "decoder" else "encoder")

    @property
    def num_layers(self) -> int:
        return int(self._nested("decoder").num_layers)

    @property
    def encoder_hidden_size(self) -> int:
        return int(self._nested("encoder").hidden_size)

    def _nested(self, side: str) -> NormalizedConfig:
        config = getattr(self.config, side)
        described = TasksManager.get_supported_tasks_for_model_type(config.model_type)
        task = "text-generation" if side == "decoder" else "feature-extraction"
        constructor = described.get(task) or next(iter(described.values()))
        return constructor.resolve().NORMALIZED_CONFIG_CLASS(config)
