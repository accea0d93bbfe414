"""Falcon-H1: each layer attends and, beside that, has a layer of Mamba 2."""

from __future__ import annotations

from collections.abc import Iterator

from harness.configs.architectures.chunked_scans import ScansChunks
from harness.configs.cache_layout import CacheEntry, keys_and_values
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register


@register("falcon_h1", tasks=GENERATING_TASKS)
class FalconH1OnnxConfig(ScansChunks):
    """Falcon-H1: each layer keeps keys, values and the states of a convolution and a recurrence."""

    TAKES_POSITIONS = True

    @property
    def layers_cache(self) -> Iterator[CacheEntry]:
        for layer in range(self.config.num_hidden_layers):
            yield from keys_and_values(layer, {0: "batch_size", 2: self.past_axis})
            yield from self.states(layer)
