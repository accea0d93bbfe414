"""Granite 4: layers of Mamba 2 between layers with attention, and experts after each."""

from __future__ import annotations

from collections.abc import Iterator

from harness.configs.architectures.chunked_scans import ScansChunks
from harness.configs.cache_layout import CacheEntry, keys_and_values
from harness.configs.routed_experts import RoutesExperts
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
    def layers_cache(self) -> Iterator[CacheEntry]:
        for layer, kind in enumerate(self.config.layer_types):
            if kind == "full_attention":
                yield from keys_and_values(layer, {0: "batch_size", 2: self.past_axis})
            else:
                yield from self.states(layer)
