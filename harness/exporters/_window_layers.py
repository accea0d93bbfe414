"""A layer of transformers' cache that keeps its window and can be traced for every length.

transformers' own layer asks in Python whether the tokens that it has seen fill its window, so that
a trace holds for one answer only. It also counts the tokens that it was given, which are cut to its
window.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicSlidingWindowLayer


class WindowLayer(DynamicSlidingWindowLayer):
    """A layer that has seen `seen` tokens, and keeps the last ones of them."""

    cumulative_length: Any

    def __init__(self, window: int, seen: Any) -> None:
        super().__init__(sliding_window=window)
        self.cumulative_length = seen

    def hold(self, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Put the keys and values of the last tokens seen into the layer."""
        self.keys, self.values = keys, values
        self.device, self.dtype, self.is_initialized = keys.device, keys.dtype, True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the kept and the new keys and values, and keep the last ones."""
        self.cumulative_length = self.cumulative_length + key_states.shape[-2]
        keys, values = key_states, value_states
        if self.keys is not None and self.values is not None:
            keys = torch.cat([self.keys, keys], dim=-2)
            values = torch.cat([self.values, values], dim=-2)
        self.hold(self._kept(keys), self._kept(values))
        return keys, values

    def _kept(self, tensor: torch.Tensor) -> torch.Tensor:
        count = self.sliding_window - 1
        if not torch.compiler.is_exporting():
            return tensor[:, :, -count:]
        # torch.export takes each length for 2 at least, and would compute a short window from that.
        length = tensor.shape[-2]
        start: Any = (torch.scalar_tensor(length, dtype=torch.int64) - count).clamp(min=0).item()
        torch._check(start >= 0)
        torch._check(start <= length)
        return tensor[:, :, start:]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return how many keys a step sees, and how many are not kept."""
        kept = self.keys.shape[-2] if self.keys is not None else 0
        return kept + query_length, self.cumulative_length - kept
