"""T5Gemma: a Gemma on each side of an encoder-decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.bart import BartReaderOnnxConfig
from harness.configs.limits import landmark_lengths
from harness.configs.middle_end import EncoderDecoderOnnxConfig
from harness.configs.normalized_config import NormalizedConfig, NormalizedTextConfig
from harness.configs.normalized_pair import NormalizedEncoderDecoderConfig
from harness.configs.task_table import SEQ2SEQ_TASKS
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn


class NormalizedT5GemmaConfig(NormalizedEncoderDecoderConfig):
    """Two text models that are described nowhere else."""

    def _nested(self, side: str) -> NormalizedConfig:
        return NormalizedTextConfig(getattr(self.config, side))


@register("t5gemma", tasks=SEQ2SEQ_TASKS)
class T5GemmaOnnxConfig(EncoderDecoderOnnxConfig):
    """T5Gemma as an encoder-decoder, whose windowed layers cache their window alone."""

    NORMALIZED_CONFIG_CLASS = NormalizedT5GemmaConfig

    @property
    def cache_windows(self) -> Mapping[int, int]:
        windows: Mapping[int, int] = self.normalized_config.of_modality("decoder").layer_windows
        return windows

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        encoder, decoder = (self.normalized_config.of_modality(m) for m in ("text", "decoder"))
        return {
            "encoder_sequence_length": landmark_lengths(encoder),
            self.STEP_AXIS: landmark_lengths(decoder),
            f"{self.past_axis} + {self.STEP_AXIS}": landmark_lengths(decoder),
        }

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Have a call without a cache fill one of layers that keep all keys.

        The model would make layers that cut their keys, which torch.export takes to be full.
        """
        from transformers import DynamicCache, EncoderDecoderCache

        name = self.call.cache

        def add_cache(
            module: nn.Module, args: tuple[object, ...], keywords: dict[str, Any]
        ) -> tuple[tuple[object, ...], dict[str, Any]]:
            return args, {name: EncoderDecoderCache(DynamicCache(), DynamicCache()), **keywords}

        model.register_forward_pre_hook(add_cache, with_kwargs=True)
        return model


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
