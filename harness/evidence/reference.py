"""The reference: unpatched eager PyTorch, called as a user calls it.

It shares no code with the wrapper that exporters trace. A wrapper that drops a keyword, crosses two
cache layers or patches semantics therefore disagrees with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.cache_layout import CacheKind, CacheSide, is_past
from harness.configs.calls import LIST, Join, Result
from harness.configs.decoding import slice_tokens, spans, token_axis
from harness.configs.dummy_feeds import sizes_in
from harness.errors import DescriptionError
from harness.evidence.fresh_state import fresh_state

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.configs.cache_layout import CacheEntry
    from harness.configs.feeds import Feed

Arrays = dict[str, "np.ndarray[Any, Any]"]


class EagerError(Exception):
    """Eager PyTorch raised on inputs that the description of the architecture allows."""


def call_reference(
    model: nn.Module, config: OnnxConfig, feed: Mapping[str, torch.Tensor]
) -> Arrays:
    """Call the model and return output name -> array, for the outputs that `config` declares.

    Caches are transformers' own, filled through `update`. For a past of length 0 the cache stays
    empty, as at the start of a generation. The model has no memory of earlier calls. Raises what
    the model raises.
    """
    tensors = _on_device_of(model, feed)
    with calling(model):
        outputs = _called(model, config)(**_arguments(model, config, tensors))
    return {name: tensor.cpu().numpy() for name, tensor in _declared(config, outputs).items()}


def call_in_steps(
    model: nn.Module,
    config: OnnxConfig,
    feed: Mapping[str, torch.Tensor],
    ends: Sequence[int],
) -> Arrays:
    """Call a decoder step by step with one cache, as users do; return the outputs of all tokens.

    `ends` holds the number of tokens done after each step. `feed` holds all tokens and no past.
    What the model remembers of a step is there in the next one. Outputs over tokens are joined, the
    cache is that of the last step. Raises what the model raises.
    """
    import torch

    tensors, cache = _on_device_of(model, feed), _empty_cache(model, config.cache)
    steps: list[Any] = []
    with calling(model):
        for start, end in spans(ends):
            step = slice_tokens(config, tensors, start=start, end=end)
            steps.append(model(**step, use_cache=True, past_key_values=cache))
    arrays, returned = {}, [_declared(config, step) for step in steps]
    for name, axes in config.outputs.items():
        axis = token_axis(config, axes)
        whole = [step[name] for step in (returned[-1:] if axis is None else returned)]
        arrays[name] = torch.cat(whole, axis or 0).cpu().numpy()
    return arrays


@contextlib.contextmanager
def calling(model: nn.Module) -> Iterator[None]:
    """Prepare a model for the calls of one example within the block.

    It is in eval mode, without gradients and without memory of calls before the block.
    """
    import torch

    with torch.no_grad(), fresh_state(model), _eval_mode(model):
        yield


def _on_device_of(model: nn.Module, feed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    device = next(model.parameters()).device
    return {name: tensor.to(device) for name, tensor in feed.items()}


def to_float64(feed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the feed with its floating-point tensors in float64."""
    return {name: t.double() if t.is_floating_point() else t for name, t in feed.items()}


def as_tensors(feed: Feed) -> dict[str, torch.Tensor]:
    """Return a feed of arrays as torch tensors."""
    import torch

    return {name: torch.from_numpy(array) for name, array in feed.items()}


def _called(model: nn.Module, config: OnnxConfig) -> Callable[..., Any]:
    """Return what a description is about: the model, or a module or method of it."""
    called: Any = model
    for name in config.call.module.split(".") if config.call.module else ():
        called = getattr(called, name[:-2])() if name.endswith("()") else getattr(called, name)
    found: Callable[..., Any] = called
    return found


def _arguments(
    model: nn.Module, config: OnnxConfig, tensors: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    """Return the arguments of a call, with its cache if it has one, as generation gives them.

    An argument of which the model reads only the shape is filled with NaN: a model that still used
    it would give NaN.
    """
    import torch
    from transformers import modeling_outputs

    call = config.call
    given = {
        call.argument_of(name): tensor for name, tensor in tensors.items() if not is_past(name)
    }
    for name, unread in call.unread.items():
        shape = [tensors[unread.like].shape[axis] for axis in unread.axes]
        given[name] = tensors[unread.like].new_full((*shape, unread.width), torch.nan)
    arguments: dict[str, Any] = {}
    fields: dict[str, dict[str, torch.Tensor]] = {name: {} for name in call.objects}
    for name, tensor in given.items():
        whole, dot, part = name.partition(".")
        if dot:
            fields[whole][part] = tensor
        else:
            arguments[name] = tensor
    for name, values in fields.items():
        kind = call.objects[name]
        if kind == LIST:
            arguments[name] = list(values.values())
        else:
            arguments[name] = getattr(modeling_outputs, kind)(**values)
    if config.use_past:
        arguments["use_cache"] = True
    if config.use_past_in_inputs:
        arguments[call.cache] = _cache_of(model, config, tensors)
    return arguments


def _cache_of(model: nn.Module, config: OnnxConfig, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Return the cache of the earlier tokens."""
    from transformers import EncoderDecoderCache

    sides: dict[CacheSide | None, list[CacheEntry]] = {}
    for entry in config.cache:
        sides.setdefault(entry.side, []).append(entry)
    filled = {side: _filled(_empty_cache(model, own), own, tensors) for side, own in sides.items()}
    _tell_windows(config, filled, tensors)
    if CacheSide.ENCODER in filled:
        return EncoderDecoderCache(filled[CacheSide.DECODER], filled[CacheSide.ENCODER])
    return filled[None]


def _empty_cache(model: nn.Module, entries: Sequence[CacheEntry]) -> Any:
    """Return transformers' cache without tokens.

    It must know the kind of each layer if some keep a state or a window; else each keeps all.
    """
    from transformers import DynamicCache

    kinds = {entry.kind for entry in entries}
    is_uniform = kinds.isdisjoint({CacheKind.STATE, CacheKind.WINDOW})
    return DynamicCache(config=None if is_uniform else getattr(model, "config", None))


def _filled(cache: Any, entries: Sequence[CacheEntry], tensors: Mapping[str, torch.Tensor]) -> Any:
    """Fill transformers' cache by its own methods; a past of length 0 is left out."""
    keys_and_values: dict[int, dict[str, torch.Tensor]] = {}
    for entry in entries:
        value = tensors[entry.name].clone()
        match entry.place:
            case ("conv_states", int(index)):
                cache.update_conv_state(value, entry.layer, index)
            case ("recurrent_states", int(index)):
                cache.update_recurrent_state(value, entry.layer, index)
            case (attribute, _):
                keys_and_values.setdefault(entry.layer, {})[attribute] = value
    for layer, held in sorted(keys_and_values.items()):
        if held["keys"].shape[2] > 0:
            cache.update(held["keys"], held["values"], layer)
    return cache


def _tell_windows(
    config: OnnxConfig, caches: Mapping[CacheSide | None, Any], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Tell layers that keep a window how many tokens came before; they got the last ones alone."""
    windowed = [entry for entry in config.cache if entry.kind is CacheKind.WINDOW]
    if not windowed:
        return
    sizes = sizes_in(config.inputs, {name: tuple(t.shape) for name, t in tensors.items()})
    if config.past_axis not in sizes:
        raise DescriptionError(
            f"{type(config).__name__}: {windowed[0].name} keeps a window alone, and no input says "
            f"how many tokens came before; declare one with an axis such as {config.past_axis!r}"
        )
    for entry in windowed:
        caches[entry.side].layers[entry.layer].cumulative_length = sizes[config.past_axis]


def _declared(config: OnnxConfig, outputs: Any) -> dict[str, torch.Tensor]:
    """Return declared output name -> tensor, of what a model returned."""
    entries = {entry.present: entry for entry in config.cache}
    found: dict[str, torch.Tensor] = {}
    for name in config.outputs:
        if name in entries:
            cache = _of_side(getattr(outputs, config.call.cache), entries[name].side)
            attribute, index = entries[name].place
            held = getattr(cache.layers[entries[name].layer], attribute)
            found[name] = held if index is None else held[index]
        elif name in config.call.results:
            found[name] = _result(outputs, config.call.results[name])
        else:
            found[name] = getattr(outputs, name)
    return found


def _result(outputs: Any, result: Result) -> torch.Tensor:
    """Return the tensor that a result of a call holds, with lists joined."""
    import torch

    value = outputs
    for step in result.path:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    if isinstance(value, torch.Tensor):
        return value
    join = {Join.CONCATENATE: torch.cat, Join.STACK: torch.stack}[result.join]
    return join(tuple(value))


def _of_side(cache: Any, side: CacheSide | None) -> Any:
    if side is None:
        return cache
    is_encoder = side is CacheSide.ENCODER
    return cache.cross_attention_cache if is_encoder else cache.self_attention_cache


@contextlib.contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode within the block; afterwards each module has its mode back."""
    training = [module for module in model.modules() if module.training]
    if training:
        model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
