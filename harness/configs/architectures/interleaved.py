"""Decoders that rotate neighbouring pairs, whose angles TorchScript cannot repeat.

After its translation of `repeat_interleave` TorchScript believes that tensors have other ranks than
they have, and refuses to concatenate them. Stacking a tensor on itself repeats it as well.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from harness.configs.base import OnnxConfig
from harness.configs.replaced_functions import calling_instead

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from torch import nn

ROTATE = "apply_rotary_pos_emb"


class RepeatsAngles(OnnxConfig):
    """A capability: the module that computes angles repeats them, as in Cohere."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Repeat angles by stacking, where they do not change with the length of the text."""
        model = super().patch_model_for_export(model)
        for module in model.modules():
            if getattr(module, "rope_type", "dynamic") not in {"dynamic", "longrope"}:
                vars(module)["forward"] = functools.partial(_angles, module)
        return model


class RotatesByRepeating(OnnxConfig):
    """A capability: the function that rotates queries and keys repeats angles, as in GLM."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Give the attention of this copy, and of no other, a function that stacks."""
        model = super().patch_model_for_export(model)
        calling_instead(model, ROTATE, _rotating_by_stacks)
        return model


def _rotating_by_stacks(names: Mapping[str, Any]) -> Callable[..., Any]:
    return functools.partial(_rotated, rotate_half=names["rotate_half"])


def _angles(rotary: Any, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Cosine and sine of all angles, each twice in a row: [batch, length, head size]."""
    angles = _twice(position_ids[..., None].float() * rotary.inv_freq)
    return tuple((f * rotary.attention_scaling).to(x.dtype) for f in (angles.cos(), angles.sin()))


def _rotated(
    *states: Any, rotate_half: Callable[[torch.Tensor], torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    """Queries and keys, as far as there are angles for them rotated in neighbouring pairs."""
    from torch import cat

    *rotating, cos, sin = states
    size = cos.shape[-1]
    cos, sin = (_twice(a[..., : size // 2]).unsqueeze(1) for a in (cos, sin))
    return tuple(
        cat((s[..., :size] * cos + rotate_half(s[..., :size]) * sin, s[..., size:]), dim=-1)
        for s in rotating
    )


def _twice(angles: torch.Tensor) -> torch.Tensor:
    """Each angle two times in a row."""
    from torch import stack

    return stack((angles, angles), dim=-1).flatten(-2)
