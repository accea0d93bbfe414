"""Decoders that rotate neighbouring pairs as complex numbers, which no exporter has."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.base import OnnxConfig
from harness.configs.replaced_functions import calling_instead

if TYPE_CHECKING:
    import torch
    from torch import nn

ROTATE = "apply_rotary_emb"


class RotatesComplexNumbers(OnnxConfig):
    """A capability: queries and keys are multiplied by complex numbers of absolute value 1."""

    HEADS_AXIS: ClassVar[int] = 1
    """Axis of the heads in queries and keys when they are rotated."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Write the product out in this copy, and in no other."""
        model = super().patch_model_for_export(model)
        for module in model.modules():
            if hasattr(module, "inv_freq"):
                vars(module)["forward"] = partial(_turns, module)
        turn = partial(_turn_both, heads_axis=self.HEADS_AXIS)
        calling_instead(model, ROTATE, lambda _: turn)
        return model


def _turns(rotary: Any, hidden: torch.Tensor, position_ids: torch.Tensor) -> torch.Tensor:
    """Cosines and sines of each position: [batch, length, half of the rotated size, 2]."""
    import torch

    angles = position_ids[..., None].float() * rotary.inv_freq
    return torch.stack((angles.cos(), angles.sin()), dim=-1) * rotary.attention_scaling


def _turn_both(
    queries: torch.Tensor, keys: torch.Tensor, turns: torch.Tensor, *, heads_axis: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Queries and keys, whose neighbouring entries are the parts of a complex number."""
    turns = turns.unsqueeze(heads_axis)
    return _turned(queries, turns), _turned(keys, turns)


def _turned(numbers: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    import torch

    real, imaginary = numbers.reshape(*numbers.shape[:-1], -1, 2).unbind(-1)
    cos, sin = turns.unbind(-1)
    turned = real * cos - imaginary * sin, real * sin + imaginary * cos
    return torch.stack(turned, dim=-1).flatten(3)
