"""Switch a model to another of transformers' attention implementations, such as `eager`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def with_attention(model: nn.Module, implementation: str) -> nn.Module | None:
    """Return `model` with this attention implementation, on the same weights; None if it has none.

    Changes `model` in place if transformers can. For some models transformers only warns that it
    cannot, because their layers keep the implementation that they were built with: then a new
    model is built.
    """
    switched: Any = model
    if not hasattr(switched, "set_attn_implementation"):
        return None
    try:
        switched.set_attn_implementation(implementation)
        if switched.config._attn_implementation != implementation:
            switched = _rebuilt(switched, implementation)
    except ValueError:  # raised by transformers if the model lacks the implementation
        return None
    made: nn.Module = switched
    return made


def _rebuilt(model: Any, implementation: str) -> Any:
    """Build a new model of the same class; raises ValueError if it lacks the implementation."""
    import torch

    with torch.random.fork_rng(devices=[]):
        made = type(model)._from_config(
            copy.deepcopy(model.config), attn_implementation=implementation
        )
    made.load_state_dict(model.state_dict(), assign=True)
    made.tie_weights()
    return made.requires_grad_(False).eval()
