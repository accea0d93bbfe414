"""A wrapper of a model for exporters that trace: its forward takes and returns only tensors.

Caches are rebuilt inside. The reference is computed without this wrapper, so that a mistake in it
shows as a difference (see `harness.evidence.reference`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from harness.configs.base import ConfigBehavior
from harness.configs.cache_layout import CacheEntry, CacheSide

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig


class FlatModel(nn.Module):
    """Binds positional tensors to the declared names, rebuilds caches, returns a flat tuple."""

    def __init__(self, model: nn.Module, config: OnnxConfig) -> None:
        super().__init__()
        self.model = exported_module(model, config)
        self.encoder_output_spec = encoder_output_spec(config)
        self.input_names = list(config.inputs)
        self.output_names = list(config.outputs)
        self.cache = list(config.cache)
        self.constants = dict(config.model_kwargs)
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(self.input_names, tensors, strict=True))
        keywords = call_keywords(named, self.cache, self.encoder_output_spec)
        outputs = self.model(**keywords, **self.constants, return_dict=True)
        returned = {entry.present: entry for entry in self.cache}
        return tuple(
            _cached(outputs.past_key_values, returned[name]) if name in returned else outputs[name]
            for name in self.output_names
        )


def exported_module(model: nn.Module, config: OnnxConfig) -> nn.Module:
    """Return the module that a description is about: the model, or its encoder."""
    encoder: nn.Module = model.get_encoder() if config.behavior is ConfigBehavior.ENCODER else model
    return encoder


class EncoderOutputSpec(NamedTuple):
    """The encoder output that a decoder attends to: its transformers class, and its width."""

    class_name: str
    width: int


def encoder_output_spec(config: OnnxConfig) -> EncoderOutputSpec | None:
    """Return the encoder output that a decoder attends to; None if `config` is not of a decoder."""
    if config.behavior is not ConfigBehavior.DECODER:
        return None
    return EncoderOutputSpec(
        config.ENCODER_OUTPUT, int(config.normalized_config.encoder_hidden_size)
    )


def call_keywords(
    named: Mapping[str, torch.Tensor],
    cache: Sequence[CacheEntry],
    encoder_output: EncoderOutputSpec | None,
) -> dict[str, Any]:
    """Return the keywords of a model call with these declared inputs; caches are rebuilt."""
    keywords: dict[str, Any] = dict(named)
    past = _pop_cache(keywords, cache)
    if past is not None:
        keywords["past_key_values"] = past
    return keywords if encoder_output is None else _as_decoder_keywords(keywords, encoder_output)


def _as_decoder_keywords(
    named: dict[str, Any], encoder_output: EncoderOutputSpec
) -> dict[str, Any]:
    """Return the keyword arguments for calling the full model with a given encoder output.

    Zeros replace the encoder output if the cache holds its keys and values, because the model then
    reads only its shape.
    """
    from transformers import modeling_outputs

    hidden = named.get("encoder_hidden_states")
    if hidden is None:
        key = named["past_key_values"].cross_attention_cache.layers[0].keys
        hidden = key.new_zeros(key.shape[0], key.shape[2], encoder_output.width)
    keywords = {
        "decoder_input_ids": named["input_ids"],
        "encoder_outputs": getattr(modeling_outputs, encoder_output.class_name)(
            last_hidden_state=hidden
        ),
    }
    if "encoder_attention_mask" in named:
        keywords["attention_mask"] = named["encoder_attention_mask"]
    if "past_key_values" in named:
        keywords["past_key_values"] = named["past_key_values"]
    return keywords


def export_copy(model: nn.Module) -> nn.Module:
    """Return a structural copy in eval mode that shares the model's storage, without gradients.

    Exporters get this copy, so that they cannot change modules, modes or flags of the model.
    """
    shared: dict[int, Any] = {
        id(p): nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()
    }
    shared.update({id(buffer): buffer for buffer in model.buffers()})
    return copy.deepcopy(model, shared).eval()


def _pop_cache(keywords: dict[str, Any], cache: Sequence[CacheEntry]) -> Any:
    """Remove the past from the inputs and return it as a cache; None if there is no past."""
    taken = [(entry, keywords.pop(entry.name)) for entry in cache if entry.name in keywords]
    if not taken:
        return None
    from transformers import EncoderDecoderCache

    sides = {entry.side for entry, _ in taken}
    caches = {
        side: _make_cache([(e, tensor) for e, tensor in taken if e.side is side]) for side in sides
    }
    if None in caches:
        return caches[None]
    return EncoderDecoderCache(caches[CacheSide.DECODER], caches[CacheSide.ENCODER])


def _make_cache(taken: Iterable[tuple[CacheEntry, torch.Tensor]]) -> Any:
    """Return a cache that holds these tensors, made of one pair of keys and values per layer."""
    from transformers import DynamicCache

    layers: dict[int, dict[str, torch.Tensor]] = {}
    for entry, tensor in taken:
        layers.setdefault(entry.layer, {})[entry.held] = tensor
    return DynamicCache([(layers[n]["keys"], layers[n]["values"]) for n in sorted(layers)])


def _cached(cache: Any, entry: CacheEntry) -> torch.Tensor:
    match entry.side:
        case CacheSide.DECODER:
            cache = cache.self_attention_cache
        case CacheSide.ENCODER:
            cache = cache.cross_attention_cache
    tensor: torch.Tensor = getattr(cache.layers[entry.layer], entry.held)
    return tensor
