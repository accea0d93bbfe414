"""LFM2: layers with a short convolution between layers with attention."""

from __future__ import annotations

from collections.abc import Iterator

from harness.configs.cache_layout import CacheEntry, keys_and_values, state
from harness.configs.recurrent import TextRecurrentDecoderOnnxConfig
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register


@register("lfm2", tasks=GENERATING_TASKS)
class Lfm2OnnxConfig(TextRecurrentDecoderOnnxConfig):
    """LFM2: a convolution keeps the last inputs of its kernel."""

    TAKES_POSITIONS = True

    @property
    def layers_cache(self) -> Iterator[CacheEntry]:
        kernel = (self.config.hidden_size, self.config.conv_L_cache)
        for layer, kind in enumerate(self.config.layer_types):
            if kind == "full_attention":
                yield from keys_and_values(layer, {0: "batch_size", 2: self.past_axis})
            else:
                yield state(layer, "conv", "conv_states[0]", kernel)
