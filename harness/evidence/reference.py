"""The reference: unpatched eager PyTorch, called as a user calls it.

This shares nothing with the wrapper that exporters trace, so that a wrapper which drops a
keyword, crosses two cache layers or patches semantics disagrees with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig

Arrays = dict[str, "np.ndarray[Any, Any]"]


def call_reference(
    model: nn.Module, config: OnnxConfig, feed: Mapping[str, torch.Tensor]
) -> Arrays:
    """Output name -> array, for the outputs that `config` declares.

    The cache is transformers' own, filled through `update`; an empty past is no cache at all,
    as at the start of a generation. Raises whatever the model raises.
    """
    import torch

    device = next(model.parameters()).device
    direct = {k: v.to(device) for k, v in feed.items() if not k.startswith("past_key_values.")}
    if config.use_past:
        direct["past_key_values"] = _filled_cache(model, config, feed)
        direct["use_cache"] = True
    with torch.no_grad(), _evaluating(model):
        outputs = model(**direct)
    return {name: _output(outputs, name).cpu().numpy() for name in config.outputs}


def _filled_cache(model: nn.Module, config: OnnxConfig, feed: Mapping[str, torch.Tensor]) -> Any:
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    for layer in range(config.normalized_config.num_layers):
        key = feed[f"past_key_values.{layer}.key"]
        value = feed[f"past_key_values.{layer}.value"]
        if key.shape[2] > 0:
            cache.update(key.clone(), value.clone(), layer)
    return cache


def _output(outputs: Any, name: str) -> torch.Tensor:
    if not name.startswith("present."):
        tensor: torch.Tensor = getattr(outputs, name)
        return tensor
    _, layer, kind = name.split(".")
    layers = outputs.past_key_values.layers
    found: torch.Tensor = layers[int(layer)].keys if kind == "key" else layers[int(layer)].values
    return found


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode for the length of the block; every module comes back in its own mode."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
