"""Qwen3-Next: layers with a gated delta rule between layers with attention, and experts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.configs.cache_layout import CacheEntry, keys_and_values, state
from harness.configs.delta_rule import AppliesDeltaRule
from harness.configs.recurrent import TextRecurrentDecoderOnnxConfig
from harness.configs.routed_experts import RoutesExperts
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register

# A default of transformers' function, which no configuration states. Examples visit it, since a
# file that holds for a single chunk is wrong beyond.
CHUNK_SIZE = 64
"""Tokens of a chunk of transformers' rule."""


@register("qwen3_next", tasks=GENERATING_TASKS)
class Qwen3NextOnnxConfig(AppliesDeltaRule, RoutesExperts, TextRecurrentDecoderOnnxConfig):
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
