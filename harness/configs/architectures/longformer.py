"""Encoders whose attention is sparse."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.architectures.roberta import RobertaOnnxConfig
from harness.configs.base import OnnxConfig
from harness.configs.feed_generators import Dims
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn


class DummyBigBirdTextInputGenerator(DummyTextInputGenerator):
    """A question ends at the first separator, and eager takes 1e6 from the logits of its tokens,
    which rounds them to sixteenths: separators stand in first places alone, before any question."""

    def _ids(self, shape: tuple[int, ...]) -> torch.Tensor:
        ids = super()._ids(shape)
        if self.task == "question-answering":
            separator = self.normalized_config.sep_token_id
            ids[..., 1:][ids[..., 1:] == separator] = separator - 1
        return ids


@register("big_bird", tasks=ENCODER_TASKS)
class BigBirdOnnxConfig(BertOnnxConfig):
    """BigBird with full attention, to which eager changes at its first short text, for good."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyBigBirdTextInputGenerator,)


class DummyGlobalMaskInputGenerator(DummyTextInputGenerator):
    """Where tokens see all others, and are seen by all: int64 [batch, ..., length], 0 or 1."""

    SUPPORTED_INPUT_NAMES = ("global_attention_mask",)

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        return self._integers(0, 2, tuple(dims[axis] for axis in sorted(dims)))

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        """Return a mask of the first token alone, as users classify texts."""
        mask = self.generate(name, dims) * 0
        mask[..., 0] = 1
        return mask


class AttendsWithinWindows(OnnxConfig):
    """A capability: attention is Longformer's, to a window and to tokens that are global."""

    @property
    def windows(self) -> Sequence[int]:
        """The windows of the layers, each once, ascending."""
        window = self.config.attention_window
        return (window,) if isinstance(window, int) else sorted(set(window))

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Score all pairs of tokens and keep those of the window and the global ones. Transformers
        cuts texts into chunks, for which it pads them by a length that torch.export fixes, and
        gathers as many global tokens as the data has."""
        model = super().patch_model_for_export(model)
        for module in model.modules():
            if hasattr(module, "_pad_to_window_size"):
                module._pad_to_window_size = _pad_nothing
            if hasattr(module, "one_sided_attn_window_size"):
                module.forward = types.MethodType(_attend_densely, module)
        return model


@register("longformer", tasks=ENCODER_TASKS)
class LongformerOnnxConfig(AttendsWithinWindows, RobertaOnnxConfig):
    """Longformer: a token sees a window of others, and those that are global."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTextInputGenerator, DummyGlobalMaskInputGenerator)
    INPUT_NAMES = (*RobertaOnnxConfig.INPUT_NAMES, "global_attention_mask")

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {"sequence_length": self.windows}


def _pad_nothing(*, pad_token_id: int, **tensors: Any) -> tuple[Any, ...]:
    """No length, and the tensors in the order in which they are given."""
    return (0, *tensors.values())


def _attend_densely(
    module: Any,
    hidden_states: torch.Tensor,
    *,
    is_index_masked: torch.Tensor,
    is_index_global_attn: torch.Tensor,
    **rest: object,
) -> tuple[torch.Tensor]:
    """What LongformerSelfAttention gives. A global token has projections of its own."""
    import torch

    places = torch.arange(hidden_states.shape[1], device=hidden_states.device)
    is_near = (places[:, None] - places).abs() <= module.one_sided_attn_window_size
    is_shown = ~is_index_masked[:, None, None, :]
    is_seen = is_shown & (is_near | is_index_global_attn[:, None, None, :])
    seen = _attended(module, hidden_states, is_seen, "")
    everything = _attended(module, hidden_states, is_shown, "_global")
    seen = seen.masked_fill(is_index_masked[..., None], 0.0)
    return (torch.where(is_index_global_attn[..., None], everything, seen),)


def _attended(
    module: Any, hidden: torch.Tensor, is_seen: torch.Tensor, suffix: str
) -> torch.Tensor:
    import torch

    query, key, value = (
        getattr(module, name + suffix)(hidden)
        .unflatten(-1, (module.num_heads, module.head_dim))
        .transpose(1, 2)
        for name in ("query", "key", "value")
    )
    scores = query @ key.transpose(-1, -2) / module.head_dim**0.5
    scores = scores.masked_fill(~is_seen, torch.finfo(scores.dtype).min)
    return (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(-2)
