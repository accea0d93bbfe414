"""Inputs and outputs of the modules of an eager model during a call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """One call of a module: its dotted name, its class, and its input and output tensors."""

    name: str
    kind: str
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


@contextlib.contextmanager
def recording_module_calls(model: nn.Module) -> Iterator[list[ModuleCall]]:
    """Record the calls of all modules within the block, in the order in which they end.

    A module's submodules therefore come before it. The hooks change nothing and are removed at the
    end.
    """
    calls: list[ModuleCall] = []

    def listen(name: str, module: nn.Module) -> Any:
        kind = type(module).__name__

        def hook(_: nn.Module, args: Any, keywords: Any, result: Any) -> None:
            inputs, outputs = tuple(_arrays((args, keywords))), tuple(_arrays(result))
            calls.append(ModuleCall(name, kind, inputs, outputs))

        return module.register_forward_hook(hook, with_kwargs=True)

    handles = [listen(name, module) for name, module in model.named_modules()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _arrays(value: Any) -> Iterator[Array]:
    """Yield copies of all tensors in a value: a later operation may overwrite the originals."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value.detach().cpu().numpy().copy()
    elif isinstance(value, (Mapping, list, tuple)):
        items: Iterable[Any] = value.values() if isinstance(value, Mapping) else value
        for item in items:
            yield from _arrays(item)
