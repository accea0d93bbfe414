"""The model of a cell, and the copies of it that explain a difference."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING

from harness.evidence.float64 import float64_copy

if TYPE_CHECKING:
    from torch import nn

LARGE_MODEL = 20_000_000
"""From this number of parameters on, a call of the model takes more than a moment."""


class ModelCopies:
    """A model and its copies, each made at the first request. The model itself stays as it is."""

    def __init__(self, original: nn.Module) -> None:
        self.original = original
        self._perturbed: tuple[int, nn.Module] | None = None

    @functools.cached_property
    def is_large(self) -> bool:
        """Whether the model has so many parameters that each of its calls takes long."""
        parameters: int = sum(tensor.numel() for tensor in self.original.parameters())
        return parameters >= LARGE_MODEL

    @functools.cached_property
    def other_attention(self) -> nn.Module | None:
        """The model with the other attention implementation, sdpa or eager, on the same weights;
        None if it has only one."""
        from harness.exporters._attention import with_attention
        from harness.exporters._wrapper import export_copy

        own = getattr(getattr(self.original, "config", None), "_attn_implementation", None)
        return with_attention(export_copy(self.original), "eager" if own == "sdpa" else "sdpa")

    @functools.cached_property
    def float64(self) -> nn.Module:
        """A copy of the model in float64, whose rounding is negligible compared with float32's."""
        return float64_copy(self.original)

    def perturbed(self, seed: int) -> nn.Module:
        """Return a copy of the model with each weight moved to the next larger or smaller float32.

        `seed` draws the directions. The copy of the last seed is kept: a decoding calls it often.
        """
        if self._perturbed is None or self._perturbed[0] != seed:
            self._perturbed = (seed, _perturbed_copy(self.original, seed))
        return self._perturbed[1]


def _perturbed_copy(model: nn.Module, seed: int) -> nn.Module:
    import torch

    generator = torch.Generator().manual_seed(seed)
    perturbed = copy.deepcopy(model)
    with torch.no_grad():
        for tensor in (*perturbed.parameters(), *perturbed.buffers()):
            if tensor.is_floating_point():
                is_up = torch.rand(tensor.shape, generator=generator) < 0.5
                beyond = torch.where(is_up, torch.inf, -torch.inf).to(tensor)
                tensor.copy_(torch.nextafter(tensor, beyond))
    return perturbed
