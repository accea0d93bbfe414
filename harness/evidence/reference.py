"""The reference: unpatched eager PyTorch, called as a user calls it.

This shares nothing with the wrapper that exporters trace, so that a wrapper which drops a
keyword, crosses two cache layers or patches semantics disagrees with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.configs.base import ConfigBehavior

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig

_PAST = "past_key_values"

Arrays = dict[str, "np.ndarray[Any, Any]"]


def call_reference(
    model: nn.Module, config: OnnxConfig, feed: Mapping[str, torch.Tensor]
) -> Arrays:
    """Output name -> array, for the outputs that `config` declares.

    Caches are transformers' own, filled through `update`; an empty past is no cache at all, as at
    the start of a generation. Raises whatever the model raises.
    """
    import torch

    device = next(model.parameters()).device
    tensors = {name: tensor.to(device) for name, tensor in feed.items()}
    with torch.no_grad(), evaluating(model):
        match config.behavior:
            case ConfigBehavior.ENCODER:
                outputs = model.get_encoder()(**tensors)
            case ConfigBehavior.DECODER:
                outputs = model(**_decoder_call(config, tensors))
            case _:
                outputs = model(**_call(config, tensors))
    return {name: _output(outputs, name).cpu().numpy() for name in config.outputs}


def widened(feed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The feed that a model in double precision takes."""
    return {name: t.double() if t.is_floating_point() else t for name, t in feed.items()}


def _call(config: OnnxConfig, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """A model without sides, with its cache where it continues from one."""
    from transformers import DynamicCache

    direct: dict[str, Any] = {k: v for k, v in tensors.items() if not k.startswith(_PAST)}
    if config.use_past:
        direct |= {"use_cache": True, "past_key_values": _filled(DynamicCache(), config, tensors)}
    return direct


def _decoder_call(config: OnnxConfig, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """A full model that finds its encoder's output done, as generation calls it.

    Where the keys and values of that output stand in the cache, the output itself is NaN: a model
    that looked at it all the same would show.
    """
    import torch
    from transformers import DynamicCache, EncoderDecoderCache, modeling_outputs

    call: dict[str, Any] = {"decoder_input_ids": tensors["input_ids"]}
    if config.use_past:
        call["use_cache"] = True
    if "encoder_attention_mask" in tensors:
        call["attention_mask"] = tensors["encoder_attention_mask"]
    hidden = tensors.get("encoder_hidden_states")
    if config.use_past_in_inputs:
        cache = EncoderDecoderCache(
            _filled(DynamicCache(), config, tensors, side=".decoder"),
            _filled(DynamicCache(), config, tensors, side=".encoder"),
        )
        key = tensors[f"{_PAST}.0.encoder.key"]
        width = config.normalized_config.encoder_hidden_size
        hidden = key.new_full((key.shape[0], key.shape[2], width), torch.nan)
        call["past_key_values"] = cache
    encoder_outputs = getattr(modeling_outputs, config.ENCODER_OUTPUT)(last_hidden_state=hidden)
    return {**call, "encoder_outputs": encoder_outputs}


def _filled(
    cache: Any, config: OnnxConfig, tensors: Mapping[str, torch.Tensor], *, side: str = ""
) -> Any:
    for layer in range(config.normalized_config.num_layers):
        key = tensors[f"{_PAST}.{layer}{side}.key"]
        value = tensors[f"{_PAST}.{layer}{side}.value"]
        if key.shape[2] > 0:
            cache.update(key.clone(), value.clone(), layer)
    return cache


def _output(outputs: Any, name: str) -> torch.Tensor:
    if not name.startswith("present."):
        tensor: torch.Tensor = getattr(outputs, name)
        return tensor
    _, layer, *side, kind = name.split(".")
    cache = outputs.past_key_values
    match side:
        case ["decoder"]:
            cache = cache.self_attention_cache
        case ["encoder"]:
            cache = cache.cross_attention_cache
    entry = cache.layers[int(layer)]
    found: torch.Tensor = entry.keys if kind == "key" else entry.values
    return found


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode for the length of the block; every module comes back in its own mode."""
    training = [module for module in model.modules() if module.training]
    if training:
        model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
