"""Mamba: layers that keep states alone."""

from __future__ import annotations

from collections.abc import Iterator

from harness.configs.cache_layout import CacheEntry, state
from harness.configs.calls import PartCall
from harness.configs.recurrent import TextRecurrentDecoderOnnxConfig
from harness.configs.selective_scan import ScansTokens
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register


@register("mamba", tasks=GENERATING_TASKS)
class MambaOnnxConfig(ScansTokens, TextRecurrentDecoderOnnxConfig):
    """Mamba: each layer keeps the states of a convolution and of a recurrence, and no keys."""

    @property
    def call(self) -> PartCall:
        return PartCall(cache="cache_params")

    @property
    def layers_cache(self) -> Iterator[CacheEntry]:
        config = self.config
        width = int(config.expand * config.hidden_size)
        for layer in range(config.num_hidden_layers):
            yield state(layer, "conv", "conv_states[0]", (width, config.conv_kernel))
            yield state(layer, "recurrent", "recurrent_states[0]", (width, config.state_size))
