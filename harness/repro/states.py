"""Functions of generated scripts for models of which some layers keep a state.

Like `harness.repro.standalone`, nothing here may import the harness.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import transformers
from transformers.cache_utils import DummyLayer, DynamicLayer, LinearAttentionLayer

INPUT_AXES: dict[str, dict[int, str]]
OUTPUT_AXES: dict[str, dict[int, str]]
MODEL_KEYWORDS: dict[str, Any]
CACHE_ARGUMENT: str
CACHE_INPUTS: dict[str, tuple[int, str, int]]
CACHE_OUTPUTS: dict[str, tuple[int, str, int]]


def returned(outputs: Any, name: str) -> torch.Tensor:
    """Return the model output that the ONNX file calls `name`, such as `present_conv.0`."""
    if name not in CACHE_OUTPUTS:
        value: torch.Tensor = outputs[name]
        return value
    number, attribute, index = CACHE_OUTPUTS[name]
    held = getattr(outputs[CACHE_ARGUMENT].layers[number], attribute)
    tensor: torch.Tensor = held[index] if isinstance(held, dict) else held
    return tensor


def run_eager_with_states(
    model: Any, feed: dict[str, torch.Tensor]
) -> dict[str, np.ndarray[Any, Any]]:
    """Run the model in eager PyTorch with a cache of states, keys and values, as in generation."""
    named: dict[str, Any] = dict(feed)
    cache = transformers.DynamicCache(config=model.config)
    pairs: dict[int, dict[str, torch.Tensor]] = {}
    for name, (number, attribute, index) in CACHE_INPUTS.items():
        tensor = named.pop(name).clone()
        if attribute == "conv_states":
            cache.update_conv_state(tensor, number, index)
        elif attribute == "recurrent_states":
            cache.update_recurrent_state(tensor, number, index)
        else:
            pairs.setdefault(number, {})[attribute] = tensor
    for number, pair in pairs.items():
        cache.update(pair["keys"], pair["values"], number)
    with torch.no_grad():
        outputs = model(**named, **{CACHE_ARGUMENT: cache}, use_cache=True)
    return {name: returned(outputs, name).numpy() for name in OUTPUT_AXES}


class StateLayer(LinearAttentionLayer):
    """A layer of the cache that can be traced for every length, and that writes into no input."""

    def update_conv_state(
        self,
        conv_states: torch.Tensor,
        state_idx: int = 0,
        conv_kernel_size: int | None = None,
        **_: Any,
    ) -> torch.Tensor:
        before = self.conv_states[state_idx]
        if before is None:
            before = conv_states.new_zeros((*conv_states.shape[:-1], int(conv_kernel_size or 0)))
        whole = torch.cat([before, conv_states], dim=-1)
        self.conv_states[state_idx] = whole[..., -before.shape[-1] :]
        self.has_previous_state[state_idx] = True
        return whole

    def update_recurrent_state(
        self, recurrent_states: torch.Tensor, state_idx: int = 0, **_: Any
    ) -> torch.Tensor:
        self.recurrent_states[state_idx] = recurrent_states
        return recurrent_states


class ExportWrapperWithStates(torch.nn.Module):
    """The exported module: takes and returns tensors; makes the model's cache inside."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named: dict[str, Any] = dict(zip(INPUT_AXES, tensors, strict=True))
        places = CACHE_OUTPUTS.values()
        layers: list[Any] = []
        for number in range(1 + max(number for number, _, _ in places)):
            held = {attribute for n, attribute, _ in places if n == number}
            kind = DynamicLayer if "keys" in held else StateLayer if held else DummyLayer
            layers.append(kind())
        pairs: dict[int, dict[str, torch.Tensor]] = {}
        for name, (number, attribute, index) in CACHE_INPUTS.items():
            tensor = named.pop(name)
            if attribute in ("keys", "values"):
                pairs.setdefault(number, {})[attribute] = tensor
            else:
                getattr(layers[number], attribute)[index] = tensor.clone()
                layers[number].has_previous_state[index] = True
        for number, pair in pairs.items():
            layers[number].update(pair["keys"], pair["values"])
        cache = transformers.DynamicCache()
        cache.layers, cache.layer_class_to_replicate = layers, None
        outputs = self.model(**named, **{CACHE_ARGUMENT: cache}, **MODEL_KEYWORDS, return_dict=True)
        return tuple(returned(outputs, name) for name in OUTPUT_AXES)
