"""The tensors of transformers' cache objects, and where they are held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.configs.cache_layout import CacheSide, Place

if TYPE_CHECKING:
    import torch

CACHE_ARGUMENTS = ("cache", "past_key_values", "cache_params")
"""Arguments of `forward` that take a cache, the newest name first."""

STATE_WORDS: Mapping[str, str] = {"conv_states": "conv", "recurrent_states": "recurrent"}
"""Attribute of a layer of a cache that holds states -> the word in their names."""

KEYS, VALUES = "keys", "values"

Held = tuple[CacheSide | None, int, Place]
"""Where a tensor is held: the side, the layer, and its place in that layer."""

_PREFIX = "cache."


def is_cache(value: Any) -> bool:
    """Whether a value is one of transformers' caches."""
    from transformers import Cache, EncoderDecoderCache

    return isinstance(value, (Cache, EncoderDecoderCache))


def tensors_of(cache: Any) -> dict[Held, torch.Tensor]:
    """Return every tensor of a cache by where it is held, but for empty ones."""
    sides: Mapping[CacheSide | None, Any] = {None: cache}
    if hasattr(cache, "cross_attention_cache"):
        sides = {
            CacheSide.DECODER: cache.self_attention_cache,
            CacheSide.ENCODER: cache.cross_attention_cache,
        }
    return {
        (side, number, place): tensor
        for side, one in sides.items()
        for number, layer in enumerate(one.layers)
        for place, tensor in _tensors_of_layer(layer)
    }


def _tensors_of_layer(layer: Any) -> Iterator[tuple[Place, torch.Tensor]]:
    import torch

    for attribute in (KEYS, VALUES, *STATE_WORDS):
        held = getattr(layer, attribute, None)
        values = held.items() if isinstance(held, Mapping) else [(None, held)]
        for index, value in values:
            if isinstance(value, torch.Tensor) and value.numel():
                yield (attribute, index), value


def name_of(held: Held) -> str:
    """Return the name under which an experiment shows a tensor of a cache as an output."""
    side, layer, (attribute, index) = held
    place = attribute if index is None else f"{attribute}[{index}]"
    return f"{_PREFIX}{side.value if side else 'whole'}.{layer}.{place}"


def is_cache_output(name: str) -> bool:
    """Whether an output of an experiment is a tensor of a cache."""
    return name.startswith(_PREFIX)
