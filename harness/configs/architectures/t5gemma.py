"""T5Gemma: a Gemma on each side of an encoder-decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.configs.architectures.bart import BartReaderOnnxConfig
from harness.configs.limits import landmark_lengths
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch


@register("t5gemma", tasks=("text-classification", "token-classification"))
class T5GemmaReaderOnnxConfig(BartReaderOnnxConfig):
    """T5Gemma reading one text: its decoder takes the same tokens, shifted by one."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator,)
    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(
        hidden_size="decoder.hidden_size",
        layer_types="decoder.layer_types",
        max_positions="decoder.max_position_embeddings",
        sliding_window="decoder.sliding_window",
    )

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        sides = (self.config.encoder, self.config.decoder)
        return {"sequence_length": min(side.max_position_embeddings for side in sides)}

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        sides = (NormalizedTextConfig(self.config.encoder), self.normalized_config)
        return {"sequence_length": sorted({n for side in sides for n in landmark_lengths(side)})}

    def first_decoder_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens[:, :1] * 0 + self.config.decoder.bos_token_id
