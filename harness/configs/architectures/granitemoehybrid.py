"""Granite 4: layers of Mamba 2 between layers with attention, and experts after each."""

from __future__ import annotations

from collections.abc import Iterator

from harness.configs.architectures.chunked_scans import ScansChunks
from harness.configs.architectures.mixtral import RoutesExperts
from harness.configs.cache_layout import CacheEntry, keys_and_values, state
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register


@register("granitemoehybrid", tasks=GENERATING_TASKS)
class GraniteMoeHybridOnnxConfig(ScansChunks, RoutesExperts):
    """Granite 4 hybrid: a layer keeps states of a convolution and a recurrence, or attends."""

    TAKES_POSITIONS = True

    @property
    def has_positions(self) -> bool:
        """Whether the files take position ids, which some models have no use for."""
        return super().has_positions and self.config.position_embedding_type == "rope"

    @property
    def chunk_size(self) -> int:
        return int(self.config.mamba_chunk_size)

    @property
    def layers_cache(self) -> Iterator[CacheEntry]:
        config = self.config
        heads = (config.mamba_n_heads, config.mamba_d_head)
        channels = heads[0] * heads[1] + 2 * config.mamba_n_groups * config.mamba_d_state
        for layer, kind in enumerate(config.layer_types):
            if kind == "full_attention":
                yield from keys_and_values(layer, {0: "batch_size", 2: self.past_axis})
            else:
                yield state(layer, "conv", "conv_states[0]", (channels, config.mamba_d_conv))
                yield state(
                    layer, "recurrent", "recurrent_states[0]", (*heads, config.mamba_d_state)
                )
