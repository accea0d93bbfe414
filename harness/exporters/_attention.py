"""The same model with another of transformers' implementations of attention, such as `eager`."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def with_attention(model: nn.Module, implementation: str) -> nn.Module | None:
    """`model` with this implementation of attention, on the same weights; None where it has none.

    The model is changed where transformers can do that. Where it only remarks that it cannot,
    since layers follow what stood in the configuration when they were made, another is made.
    """
    switched: Any = model
    if not hasattr(switched, "set_attn_implementation"):
        return None
    try:
        switched.set_attn_implementation(implementation)
        if switched.config._attn_implementation != implementation:
            switched = _made_anew(switched, implementation)
    except ValueError:  # transformers' word for an implementation that a model lacks
        return None
    made: nn.Module = switched
    return made


def _made_anew(model: Any, implementation: str) -> Any:
    """Another of the model's class; raises ValueError where that lacks the implementation."""
    import torch

    with torch.random.fork_rng(devices=[]):
        made = type(model)._from_config(
            copy.deepcopy(model.config), attn_implementation=implementation
        )
    made.load_state_dict(model.state_dict(), assign=True)
    made.tie_weights()
    return made.requires_grad_(False).eval()
