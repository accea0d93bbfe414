"""Layers of transformers' cache that can be traced for every length of a prompt.

transformers' own layer of a convolution's state pads a prompt that is shorter than the kernel, so
that a trace holds for longer prompts only. It also writes into its tensors, and the tensors that an
exporter passes must not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers.cache_utils import (
    DummyLayer,
    DynamicLayer,
    LinearAttentionAndFullAttentionLayer,
    LinearAttentionLayer,
)

from harness.configs.cache_layout import Place
from harness.exporters._window_layers import WindowLayer

_KEYS, _VALUES = ("keys", None), ("values", None)


class _TraceableStates:
    """Mixin that starts from a state of zeros, and writes into no tensor."""

    conv_states: dict[int, Any]
    recurrent_states: dict[int, Any]
    has_previous_state: dict[int, bool]

    def update_conv_state(
        self,
        conv_states: torch.Tensor,
        state_idx: int = 0,
        conv_kernel_size: int | None = None,
        **_: Any,
    ) -> torch.Tensor:
        """Return the state followed by the new tokens of a convolution, and keep the last ones."""
        before = self.conv_states[state_idx]
        if before is None:
            assert conv_kernel_size is not None, "the model does not say how long the state is"
            before = conv_states.new_zeros(*conv_states.shape[:-1], conv_kernel_size)
        whole = torch.cat([before, conv_states], dim=-1)
        self.conv_states[state_idx] = whole[..., -before.shape[-1] :]
        self.has_previous_state[state_idx] = True
        return whole

    def update_recurrent_state(
        self, recurrent_states: torch.Tensor, state_idx: int = 0, **_: Any
    ) -> torch.Tensor:
        """Keep and return a state."""
        self.recurrent_states[state_idx] = recurrent_states
        return recurrent_states


class _StateLayer(_TraceableStates, LinearAttentionLayer):
    """A layer that keeps states alone."""


class _StateAndAttentionLayer(_TraceableStates, LinearAttentionAndFullAttentionLayer):
    """A layer that keeps states, and keys and values too."""


def make_layer(
    places: Mapping[Place, torch.Tensor | None], *, window: int | None = None, seen: Any = 0
) -> Any:
    """Return a layer of a cache that holds these tensors; None for a tensor that is not there yet.

    `places` are all that the layer has; a layer without any stands for one without a cache. A layer
    with a `window` has `seen` tokens before the next step.
    """
    if window is not None:
        return _windowed(places, window, seen)
    states = {place: tensor for place, tensor in places.items() if place[1] is not None}
    if not places:
        return DummyLayer()
    if states:
        kind = _StateAndAttentionLayer if _KEYS in places else _StateLayer
        layer: Any = kind(number_of_states=1 + max(int(index or 0) for _, index in states))
    else:
        layer = DynamicLayer()
    if places.get(_KEYS) is not None:
        layer.update(places[_KEYS], places[_VALUES])
    for (attribute, index), tensor in states.items():
        if tensor is not None:
            getattr(layer, attribute)[index] = tensor.clone()  # models write into it
            getattr(layer, f"is_{attribute}_initialized")[index] = True
            layer.has_previous_state[index] = True
            layer.device, layer.dtype = tensor.device, tensor.dtype
    return layer


def _windowed(places: Mapping[Place, torch.Tensor | None], window: int, seen: Any) -> WindowLayer:
    assert places.keys() == {_KEYS, _VALUES}, "a layer with a window keeps no state"
    layer = WindowLayer(window, seen)
    keys, values = places[_KEYS], places[_VALUES]
    if keys is not None and values is not None:
        layer.hold(keys, values)
    return layer
