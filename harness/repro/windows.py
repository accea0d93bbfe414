"""Functions of generated scripts for models of which some layers cache their window alone.

Like `harness.repro.standalone`, nothing here may import the harness, apart from functions of
scripts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from harness.repro.standalone import output_of, part_keywords, pop_layers

INPUT_AXES: dict[str, dict[int, str]]
OUTPUT_AXES: dict[str, dict[int, str]]
MODEL_KEYWORDS: dict[str, Any]
CACHE_OUTPUTS: dict[str, tuple[int, str, int]]
WINDOWS: dict[int, int]
SEEN: list[tuple[str, int]]


def seen_tokens(feed: dict[str, torch.Tensor]) -> Any:
    """Return how many tokens came before: the size of an axis, less that of the new tokens."""
    sizes: list[Any] = [feed[name].shape[axis] for name, axis in SEEN]
    return sizes[0] - sum(sizes[1:]) if sizes else 0


def run_eager_with_windows(
    model: Any, feed: dict[str, torch.Tensor]
) -> dict[str, np.ndarray[Any, Any]]:
    """Run the model in eager PyTorch with a cache that keeps windows, as in generation."""
    named = dict(feed)
    own = pop_layers(named, "") or pop_layers(named, ".decoder")
    cross = pop_layers(named, ".encoder")
    keywords = part_keywords(named, feed, torch.nan)
    if own:
        kept, full = transformers.DynamicCache(config=model.config), transformers.DynamicCache()
        for cache, pairs in ((kept, own), (full, cross)):
            for layer, (key, value) in enumerate(pairs):
                if key.shape[2]:
                    cache.update(key.clone(), value.clone(), layer)
        for layer in WINDOWS:
            kept.layers[layer].cumulative_length = seen_tokens(feed)
        keywords["past_key_values"] = (
            transformers.EncoderDecoderCache(kept, full) if cross else kept
        )
    with torch.no_grad():
        outputs = model(**keywords, **MODEL_KEYWORDS)
    return {name: output_of(outputs, name).numpy() for name in OUTPUT_AXES}


class WindowLayer(DynamicSlidingWindowLayer):
    """A layer of the cache that can be traced for every length."""

    def __init__(self, window: int, seen: Any) -> None:
        super().__init__(sliding_window=window)
        self.cumulative_length = seen

    def hold(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        self.keys, self.values = keys, values
        self.device, self.dtype, self.is_initialized = keys.device, keys.dtype, True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.cumulative_length = self.cumulative_length + key_states.shape[-2]
        keys, values = key_states, value_states
        if self.keys is not None and self.values is not None:
            keys = torch.cat([self.keys, keys], dim=-2)
            values = torch.cat([self.values, values], dim=-2)
        self.hold(self.kept(keys), self.kept(values))
        return keys, values

    def kept(self, tensor: torch.Tensor) -> torch.Tensor:
        count = self.sliding_window - 1
        if not torch.compiler.is_exporting():
            return tensor[:, :, -count:]
        length = tensor.shape[-2]
        start: Any = (torch.scalar_tensor(length, dtype=torch.int64) - count).clamp(min=0).item()
        torch._check(start >= 0)
        torch._check(start <= length)
        return tensor[:, :, start:]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        kept = self.keys.shape[-2] if self.keys is not None else 0
        return kept + query_length, self.cumulative_length - kept


class ExportWrapperWithWindows(torch.nn.Module):
    """The exported module: takes and returns tensors; makes the model's cache inside."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        feed = dict(zip(INPUT_AXES, tensors, strict=True))
        named, seen = dict(feed), seen_tokens(feed)
        own = pop_layers(named, "") or pop_layers(named, ".decoder")
        cross = pop_layers(named, ".encoder")
        keywords = part_keywords(named, feed, 0.0)
        layers: list[Any] = []
        for number in range(1 + max(number for number, _, _ in CACHE_OUTPUTS.values())):
            is_cut = number in WINDOWS
            layers.append(WindowLayer(WINDOWS[number], seen) if is_cut else DynamicLayer())
            if own and is_cut:
                layers[-1].hold(*own[number])
            elif own:
                layers[-1].update(*own[number])
        cache: Any = transformers.DynamicCache()
        cache.layers, cache.layer_class_to_replicate = layers, None
        if any(".encoder." in name for name in CACHE_OUTPUTS):
            full = transformers.DynamicCache(cross or None)
            cache = transformers.EncoderDecoderCache(cache, full)
        outputs = self.model(**keywords, past_key_values=cache, **MODEL_KEYWORDS, return_dict=True)
        return tuple(output_of(outputs, name) for name in OUTPUT_AXES)
