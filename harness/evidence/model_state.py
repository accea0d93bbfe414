"""The state of a model that an exporter must not change, but that its outputs may not show."""

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


def capture_state(model: nn.Module) -> State:
    """Return the state of a model: weights, modes, hooks and patches of modules, and settings."""
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
    """Yield a text for each aspect that differs: *dtype of lm_head.weight and 3 more*."""
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
    """Return a digest of the tensor's bytes; empty for a tensor on the meta device."""
    import torch

    if tensor.is_meta:
        return b""
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.blake2b(data.numpy()).digest()


def _hooks(module: nn.Module) -> list[list[object]]:
    return [list(getattr(module, kind).values()) for kind in _HOOKS]


def _methods(module: nn.Module) -> dict[str, object]:
    """Return the class's `forward` and the methods that are replaced on the module itself."""
    kind: Any = type(module)
    own = {
        name: value for name, value in vars(module).items() if callable(getattr(kind, name, None))
    }
    return {"class": kind.forward, **own}


def _settings(model: nn.Module) -> Iterator[tuple[str, object]]:
    """Yield the settings of the configurations.

    The attention implementation is read separately, since `to_dict` leaves it out.
    """
    for kind in ("config", "generation_config"):
        config: Any = getattr(model, kind, None)
        if config is not None:
            for name, value in config.to_dict().items():
                yield f"{kind}.{name}", value
            yield f"{kind}._attn_implementation", getattr(config, "_attn_implementation", None)
