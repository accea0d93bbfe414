"""Qwen3-Next: layers with a gated delta rule between layers with attention, and experts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.cache_layout import CacheEntry, keys_and_values, state
from harness.configs.recurrent import TextRecurrentDecoderOnnxConfig
from harness.configs.replaced_functions import calling_instead
from harness.configs.routed_experts import RoutesExperts
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

SCAN = "torch_chunk_gated_delta_rule"
# A default of transformers' function, which no configuration states. Examples visit it, since a
# file that holds for a single chunk is wrong beyond.
CHUNK_SIZE = 64
"""Tokens of a chunk of transformers' rule."""


@register("qwen3_next", tasks=GENERATING_TASKS)
class Qwen3NextOnnxConfig(RoutesExperts, TextRecurrentDecoderOnnxConfig):
    """Qwen3-Next: a layer keeps the states of a convolution and of a delta rule, or attends."""

    TAKES_POSITIONS = True

    @property
    def layers_cache(self) -> Iterator[CacheEntry]:
        config = self.config
        heads, sizes = config.linear_num_value_heads, config.linear_key_head_dim
        rule = (heads, sizes, config.linear_value_head_dim)
        channels = 2 * config.linear_num_key_heads * sizes + heads * config.linear_value_head_dim
        for layer, kind in enumerate(config.layer_types):
            if kind == "full_attention":
                yield from keys_and_values(layer, {0: "batch_size", 2: self.past_axis})
            else:
                kernel = (channels, config.linear_conv_kernel_dim)
                yield state(layer, "conv", "conv_states[0]", kernel)
                yield state(layer, "recurrent", "recurrent_states[0]", rule)

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        landmarks = super().axis_landmarks
        if self.STEP_AXIS not in landmarks:
            return landmarks
        return {**landmarks, self.STEP_AXIS: (*landmarks[self.STEP_AXIS], CHUNK_SIZE)}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Apply the rule to one token after the other, as transformers does for a single one. It
        takes the tokens of a prompt in chunks, by a loop whose trace holds for one length."""
        model = super().patch_model_for_export(model)
        calling_instead(model, SCAN, lambda _: _rule)
        return model


def _rule(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    *,
    g: torch.Tensor,
    beta: torch.Tensor,
    output_final_state: bool,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the outputs [batch, length, value heads, value size], and if asked the last state.

    A prompt has no state before, and transformers always asks for keys and queries of length 1.
    `g` is the logarithm of what a token keeps of the state before, and `beta` how far it corrects
    it: [batch, length, value heads].
    """
    from harness.configs.recurrences import gated_delta_scan

    heads, size = values.shape[2], keys.shape[3]
    queries, keys = (_of_length_1(_of_heads(t, heads)) for t in (queries, keys))
    by_token = (t.transpose(0, 1) for t in (g.exp(), beta, queries * size**-0.5, keys, values))
    last, outputs = gated_delta_scan(*by_token)
    # TorchScript refuses to transpose what a loop returns at opsets 11 and 12.
    return outputs.permute(1, 0, 2, 3), last if output_final_state else None


def _of_heads(shared: torch.Tensor, heads: int) -> torch.Tensor:
    """Return what several heads of values share for each of them."""
    group = heads // shared.shape[2]
    return shared.unsqueeze(3).expand(-1, -1, -1, group, -1).flatten(2, 3)


def _of_length_1(vectors: torch.Tensor) -> torch.Tensor:
    squares: torch.Tensor = (vectors * vectors).sum(dim=-1, keepdim=True)
    return vectors * (squares + 1e-6).rsqrt()
