"""What an exporter must leave as it was: all of a model that one call of it would not show."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

State = Mapping[str, Mapping[str, object]]
"""Aspect -> name of the tensor, the module or the setting -> value."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def state_of(model: nn.Module) -> State:
    """Weights with their kind, modules with their mode, hooks and patches, and the settings."""
    tensors = dict(_tensors(model))
    modules = dict(model.named_modules(remove_duplicate=False))
    return {
        "values": {name: _digest(tensor) for name, tensor in tensors.items()},
        "dtype": {name: tensor.dtype for name, tensor in tensors.items()},
        "device": {name: tensor.device for name, tensor in tensors.items()},
        "requires_grad": {name: tensor.requires_grad for name, tensor in tensors.items()},
        "grad": {name: tensor.grad is None for name, tensor in tensors.items() if tensor.is_leaf},
        "class": {name: type(module) for name, module in modules.items()},
        "training mode": {name: module.training for name, module in modules.items()},
        "hooks": {name: _hooks(module) for name, module in modules.items()},
        "methods": {name: _methods(module) for name, module in modules.items()},
        "settings": dict(_settings(model)),
    }


def changes(before: State, after: State) -> Iterator[str]:
    """What differs, an aspect each: *dtype of lm_head.weight and 3 more*."""
    for aspect, values in before.items():
        others = after[aspect]
        names = [name for name in {**values, **others} if _differs(values, others, name)]
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            yield f"{aspect} of {names[0] or 'the model itself'}{more}"


def _differs(values: Mapping[str, object], others: Mapping[str, object], name: str) -> bool:
    return name not in values or name not in others or values[name] != others[name]


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)


def _digest(tensor: torch.Tensor) -> bytes:
    """Of the bytes; a tensor on the meta device has none."""
    import torch

    if tensor.is_meta:
        return b""
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.blake2b(data.numpy()).digest()


def _hooks(module: nn.Module) -> list[list[object]]:
    return [list(getattr(module, kind).values()) for kind in _HOOKS]


def _methods(module: nn.Module) -> dict[str, object]:
    """`forward` as the class has it, and the methods that the module itself has in its place."""
    kind: Any = type(module)
    own = {
        name: value for name, value in vars(module).items() if callable(getattr(kind, name, None))
    }
    return {"class": kind.forward, **own}


def _settings(model: nn.Module) -> Iterator[tuple[str, object]]:
    """Of the configurations; the attention implementation is none of what they write."""
    for kind in ("config", "generation_config"):
        config: Any = getattr(model, kind, None)
        if config is not None:
            for name, value in config.to_dict().items():
                yield f"{kind}.{name}", value
            yield f"{kind}._attn_implementation", getattr(config, "_attn_implementation", None)
