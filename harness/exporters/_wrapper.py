"""A wrapper of a model for exporters that trace: its forward takes and returns only tensors.

Caches are rebuilt inside. The reference is computed without this wrapper, so that a mistake in it
shows as a difference (see `harness.evidence.reference`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from harness.configs.cache_layout import CacheEntry, CacheKind, CacheSide, Place
from harness.configs.calls import LIST, Join, Result
from harness.exporters._seen_tokens import SeenTokens

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig
    from harness.configs.calls import PartCall


_TRACED_HERE = frozenset({CacheKind.STATE, CacheKind.WINDOW})
"""Kinds of which transformers' own layers of a cache cannot be traced."""


class FlatModel(nn.Module):
    """Binds positional tensors to the declared names, rebuilds caches, returns a flat tuple."""

    def __init__(self, model: nn.Module, config: OnnxConfig) -> None:
        super().__init__()
        self.model = exported_module(model, config)
        self.call = config.call
        self.cache = list(config.cache)
        self.seen = SeenTokens.found_in(config)
        self.input_names = list(config.inputs)
        self.output_names = list(config.outputs)
        self.constants = dict(config.model_kwargs)
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(self.input_names, tensors, strict=True))
        seen = self.seen.count(named) if self.seen else 0
        keywords = call_keywords(named, self.call, self.cache, seen=seen)
        is_model_output = {} if self.call.results else {"return_dict": True}
        outputs = self.model(**keywords, **self.constants, **is_model_output)
        return tuple(self._output(outputs, name) for name in self.output_names)

    def _output(self, outputs: Any, name: str) -> torch.Tensor:
        for entry in self.cache:
            if entry.present == name:
                return _cached(outputs[self.call.cache], entry)
        result = self.call.results.get(name, Result(held=name))
        value: Any = outputs
        for step in result.path:
            value = value[step]
        if isinstance(value, torch.Tensor):
            return value
        parts = list(value)
        return torch.stack(parts) if result.join is Join.STACK else torch.cat(parts)


class MethodModule(nn.Module):
    """A method of a module as a module of its own, since exporters take modules only."""

    def __init__(self, owner: nn.Module, name: str) -> None:
        super().__init__()
        self.owner = owner
        self.method = name
        self.eval()

    @property
    def config(self) -> Any:
        """The configuration of the model, which transformers' exporter reads."""
        return self.owner.config

    def forward(self, *args: Any, **keywords: Any) -> Any:
        return getattr(self.owner, self.method)(*args, **keywords)


def exported_module(model: nn.Module, config: OnnxConfig) -> nn.Module:
    """Return what a description is about as a module: the model, or a module or method of it."""
    owner: Any = model
    found: Any = model
    name = ""
    for step in filter(None, config.call.module.split(".")):
        owner, name = found, step
        attribute = getattr(found, step.removesuffix("()"))
        found = attribute() if step.endswith("()") else attribute
    return found if isinstance(found, nn.Module) else MethodModule(owner, name)


def call_keywords(
    named: Mapping[str, torch.Tensor],
    call: PartCall,
    cache: Sequence[CacheEntry],
    *,
    seen: Any = 0,
) -> dict[str, Any]:
    """Return the keywords of a call with these declared inputs; caches and objects are rebuilt.

    `seen` is the number of earlier tokens, which layers with a window must know. Arguments of which
    the model reads only the shape are zeros.
    """
    plain: dict[str, Any] = dict(named)
    past = _pop_cache(plain, cache, seen)
    given = {call.argument_of(name): tensor for name, tensor in plain.items()}
    for argument, unread in call.unread.items():
        like = named[unread.like]
        given[argument] = like.new_zeros(*(like.shape[axis] for axis in unread.axes), unread.width)
    keywords = _with_objects(given, call.objects)
    return keywords if past is None else {**keywords, call.cache: past}


def _with_objects(given: Mapping[str, Any], objects: Mapping[str, str]) -> dict[str, Any]:
    """Return arguments in which fields of an object, named `object.field`, are in that object.

    The members of a list are its fields in order.
    """
    from transformers import modeling_outputs

    keywords = {name: value for name, value in given.items() if "." not in name}
    for name, class_name in objects.items():
        fields = {n.partition(".")[2]: v for n, v in given.items() if n.startswith(f"{name}.")}
        if class_name == LIST:
            keywords[name] = [fields[key] for key in sorted(fields, key=int)]
        else:
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


def _pop_cache(keywords: dict[str, Any], cache: Sequence[CacheEntry], seen: Any) -> Any:
    """Remove the past from the inputs and return it as a cache.

    Returns None if there is no past, and the model can make its cache itself.
    """
    from transformers import EncoderDecoderCache

    taken = {entry.name: keywords.pop(entry.name) for entry in cache if entry.name in keywords}
    if not taken and not any(entry.kind in _TRACED_HERE for entry in cache):
        return None
    sides: dict[CacheSide | None, list[CacheEntry]] = {}
    for entry in cache:
        sides.setdefault(entry.side, []).append(entry)
    caches = {side: _cache_of(own, taken, seen) for side, own in sides.items()}
    if CacheSide.ENCODER in caches:
        return EncoderDecoderCache(caches[CacheSide.DECODER], caches[CacheSide.ENCODER])
    return caches.get(None)


def _cache_of(entries: Sequence[CacheEntry], taken: Mapping[str, torch.Tensor], seen: Any) -> Any:
    """Return a cache of one side, whose layers are made here if transformers' cannot be traced."""
    from transformers import DynamicCache

    from harness.exporters._state_layers import make_layer

    layers: dict[int, dict[Place, torch.Tensor | None]] = {}
    for entry in entries:
        layers.setdefault(entry.layer, {})[entry.place] = taken.get(entry.name)
    if not any(entry.kind in _TRACED_HERE for entry in entries):
        return DynamicCache([tuple(held.values()) for held in layers.values()] if taken else None)
    windows = {entry.layer: entry.window for entry in entries if entry.window is not None}
    made = DynamicCache()
    made.layers = [
        make_layer(layers.get(layer, {}), window=windows.get(layer), seen=seen)
        for layer in range(max(layers) + 1)
    ]
    made.layer_class_to_replicate = None
    return made


def _cached(cache: Any, entry: CacheEntry) -> torch.Tensor:
    match entry.side:
        case CacheSide.DECODER:
            cache = cache.self_attention_cache
        case CacheSide.ENCODER:
            cache = cache.cross_attention_cache
    attribute, index = entry.place
    held = getattr(cache.layers[entry.layer], attribute)
    tensor: torch.Tensor = held if index is None else held[index]
    return tensor
