"""Rotary embeddings that adapt to the length of a call, made traceable without changing results.

transformers' dynamic NTK branches in Python on the largest position of a call, so torch.export
refuses it and a trace keeps one branch: the file of that trace never stretches. longrope writes its
frequencies into a buffer, which the TorchScript exporter has no operator for. Both remember earlier
calls (`dynamic_rope_update` in `transformers/modeling_rope_utils.py`). Here the frequencies are
computed from the positions of the call alone.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

DYNAMIC, LONGROPE = "dynamic", "longrope"


def without_rotary_memory(model: nn.Module, rope_types: Collection[str]) -> nn.Module:
    """Replace `forward` of the rotary modules of these types in `model`, an exporter's own copy."""
    for module in model.modules():
        if remembers_calls(module, rope_types):
            vars(module)["forward"] = functools.partial(_forward, module)
    return model


def remembers_calls(module: nn.Module, rope_types: Collection[str]) -> bool:
    """Whether a module is a rotary embedding of transformers with one of these types."""
    given = vars(module).get("rope_type")
    own = given.values() if isinstance(given, dict) else (given,)
    return hasattr(type(module).forward, "__wrapped__") and any(kind in rope_types for kind in own)


class _WithFrequencies:
    """A rotary module with other frequencies, under the name of their buffer."""

    def __init__(self, module: nn.Module, name: str, frequencies: torch.Tensor) -> None:
        self._module = module
        setattr(self, name, frequencies)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _forward(
    module: Any, x: torch.Tensor, position_ids: torch.Tensor, layer_type: str | None = None
) -> Any:
    """Compute what transformers' rotary module does, with the frequencies of this call."""
    compute = inspect.unwrap(type(module).forward)
    if layer_type is None:
        own = _WithFrequencies(module, "inv_freq", _frequencies(module, position_ids, None))
        return compute(own, x, position_ids)
    frequencies = _frequencies(module, position_ids, layer_type)
    own = _WithFrequencies(module, f"{layer_type}_inv_freq", frequencies)
    return compute(own, x, position_ids, layer_type=layer_type)


def _frequencies(module: Any, position_ids: torch.Tensor, layer_type: str | None) -> torch.Tensor:
    """Return the frequencies for the largest position of a call: [half of the rotated size]."""
    import torch
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    given, prefix = module.rope_type, ""
    parameters = module.config.rope_parameters
    if layer_type is not None:
        given, prefix, parameters = given[layer_type], f"{layer_type}_", parameters[layer_type]
    original: torch.Tensor = getattr(module, f"{prefix}original_inv_freq")
    length: Any = position_ids.max() + 1
    match given:
        case "dynamic":
            # A float: transformers takes a maximum, which ONNX has for integers from opset 12 on.
            limit, computed_at = module.original_max_seq_len, length.float()
        case "longrope":
            limit = parameters["original_max_position_embeddings"]
            computed_at = limit + 1
        case _:
            return original
    frequencies, _ = ROPE_INIT_FUNCTIONS[given](
        module.config, position_ids.device, seq_len=computed_at, layer_type=layer_type
    )
    return torch.where(length > limit, frequencies, original.to(frequencies))
