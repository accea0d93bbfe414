"""A wrapper of a model for exporters that trace: its forward takes and returns only tensors.

Caches are rebuilt inside. The reference is computed without this wrapper, so that a mistake in it
shows as a difference (see `harness.evidence.reference`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from harness.configs.cache_layout import CacheEntry, CacheSide

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.configs.calls import PartCall


class FlatModel(nn.Module):
    """Binds positional tensors to the declared names, rebuilds caches, returns a flat tuple."""

    def __init__(self, model: nn.Module, config: OnnxConfig) -> None:
        super().__init__()
        self.model = exported_module(model, config)
        self.call = config.call
        self.cache = list(config.cache)
        self.input_names = list(config.inputs)
        self.output_names = list(config.outputs)
        self.constants = dict(config.model_kwargs)
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(self.input_names, tensors, strict=True))
        keywords = call_keywords(named, self.call, self.cache)
        outputs = self.model(**keywords, **self.constants, return_dict=True)
        returned = {entry.present: entry for entry in self.cache}
        return tuple(
            _cached(outputs.past_key_values, returned[name]) if name in returned else outputs[name]
            for name in self.output_names
        )


def exported_module(model: nn.Module, config: OnnxConfig) -> nn.Module:
    """Return the module that a description is about: the model, or one that it holds."""
    found: Any = model
    for step in filter(None, config.call.module.split(".")):
        attribute = getattr(found, step.removesuffix("()"))
        found = attribute() if step.endswith("()") else attribute
    module: nn.Module = found
    return module


def call_keywords(
    named: Mapping[str, torch.Tensor], call: PartCall, cache: Sequence[CacheEntry]
) -> dict[str, Any]:
    """Return the keywords of a call with these declared inputs; caches and objects are rebuilt.

    Arguments of which the model reads only the shape are zeros.
    """
    plain: dict[str, Any] = dict(named)
    past = _pop_cache(plain, cache)
    given = {call.argument_of(name): tensor for name, tensor in plain.items()}
    for argument, unread in call.unread.items():
        like = named[unread.like]
        given[argument] = like.new_zeros(*(like.shape[axis] for axis in unread.axes), unread.width)
    keywords = _with_objects(given, call.objects)
    return keywords if past is None else {**keywords, "past_key_values": past}


def _with_objects(given: Mapping[str, Any], objects: Mapping[str, str]) -> dict[str, Any]:
    """Return arguments in which fields of an object, named `object.field`, are in that object."""
    from transformers import modeling_outputs

    keywords = {name: value for name, value in given.items() if "." not in name}
    for name, class_name in objects.items():
        fields = {n.partition(".")[2]: v for n, v in given.items() if n.startswith(f"{name}.")}
        keywords[name] = getattr(modeling_outputs, class_name)(**fields)
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
