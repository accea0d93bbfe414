"""Call a model as if it had not been called before, and leave it as it was.

A rotary embedding may remember earlier calls. transformers' dynamic NTK keeps the frequencies of
the longest call until a call is shorter than its table, and longrope overwrites its frequencies at
each call (`dynamic_rope_update` in `transformers/modeling_rope_utils.py`). Without a fresh start, a
reference would depend on the examples before it. So would it for modules that overwrite their own
settings, as the layers of Swin do with the size and the shift of their windows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import torch
    from torch import nn

_NUMBERS = frozenset({bool, float, int, str, tuple, type(None)})
"""Types of the settings that a module may overwrite in a call, and that every module gets back."""

_LENGTH = "max_seq_len_cached"
"""The attribute of transformers' rotary modules for the longest call; a prefix names a kind of
layer."""


@contextlib.contextmanager
def fresh_state(model: nn.Module) -> Iterator[None]:
    """Start the calls within the block from a model without memory of calls; undo their changes.

    Calls that share state, such as a prefill and its steps, belong into one block. Afterwards the
    modules that may remember calls have their attributes, their buffers and the values of these
    buffers back. Such modules have a `rope_type` or buffers outside the state dict. Weights and
    buffers of the state dict are not copied, since a call in eval mode does not write to them.
    Neither are buffers of integers and booleans: they hold positions and masks, which may be large.
    All other modules have their numbers back.
    """
    every = list(model.modules())
    modules = [module for module in every if _may_remember(module)]
    kept = [_ModuleState.of(module) for module in modules]
    numbers = [(module, _numbers(module)) for module in every]
    try:
        for module in modules:
            _forget_calls(module)
        yield
    finally:
        for state in kept:
            state.restore()
        for module, values in numbers:
            vars(module).update(values)


def _numbers(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if type(value) in _NUMBERS}


def _may_remember(module: nn.Module) -> bool:
    return bool(module._non_persistent_buffers_set) or "rope_type" in vars(module)


@dataclass(frozen=True, slots=True)
class _ModuleState:
    """The attributes and buffers of a module, and copies of the buffers that a call may write."""

    module: nn.Module
    attributes: dict[str, Any]
    buffers: dict[str, torch.Tensor | None]
    copies: dict[str, torch.Tensor]

    @classmethod
    def of(cls, module: nn.Module) -> Self:
        buffers = dict(module._buffers)
        copies = {
            name: buffer.clone()
            for name, buffer in buffers.items()
            if name in module._non_persistent_buffers_set
            and buffer is not None
            and buffer.is_floating_point()
        }
        return cls(module, dict(vars(module)), buffers, copies)

    def restore(self) -> None:
        import torch

        attributes = vars(self.module)
        for name in attributes.keys() - self.attributes.keys():
            del attributes[name]
        attributes.update(self.attributes)
        self.module._buffers.clear()
        self.module._buffers.update(self.buffers)
        for name, copy in self.copies.items():
            buffer = self.module._buffers[name]
            if buffer is not None and not torch.equal(buffer, copy):
                buffer.copy_(copy)


def _forget_calls(module: Any) -> None:
    """Give a rotary module the frequencies of its original length, if a longer call changed them.

    This is what transformers does itself at the next short call.
    """
    attributes = vars(module)
    original = attributes.get("original_max_seq_len", float("inf"))
    for name in [name for name in attributes if name.endswith(_LENGTH)]:
        prefix = name.removesuffix(_LENGTH)
        if attributes[name] > original and hasattr(module, f"{prefix}original_inv_freq"):
            module._buffers[f"{prefix}inv_freq"] = getattr(module, f"{prefix}original_inv_freq")
            attributes[name] = original
