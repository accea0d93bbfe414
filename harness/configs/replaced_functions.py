"""Replace functions in the exporter's copy of a model; other models stay unchanged."""

from __future__ import annotations

import functools
import inspect
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn


def replace_forward(model: nn.Module, kind: str, forward: Callable[..., Any]) -> nn.Module:
    """Return the model, whose modules of the class `kind` call `forward(module, ...)` now."""
    for module in model.modules():
        if type(module).__name__ == kind:
            vars(module)["forward"] = functools.partial(forward, module)
    return model


def calling_instead(
    model: nn.Module,
    name: str,
    replacement: Callable[[Mapping[str, Any]], Any],
    *,
    kind: str | None = None,
) -> None:
    """Replace a function that the `forward` of modules calls; other models stay unchanged.

    With a `kind`, only modules of this class call another function.

    `replacement` makes the new function from the global names that the `forward` sees. Decorators
    of `forward`, such as the one that renames deprecated keywords, are left out. Several functions
    of one `forward` are replaced one after the other.
    """
    for module in model.modules():
        if kind not in (None, type(module).__name__):
            continue
        forward = _forward(module)
        if _calls(forward, name):
            names = forward.__globals__
            calling = FunctionType(
                forward.__code__,
                {**names, name: replacement(names)},
                forward.__name__,
                forward.__defaults__,
                forward.__closure__,
            )
            vars(module)["forward"] = MethodType(calling, module)


def calls(model: nn.Module, name: str) -> bool:
    """Whether the `forward` of some module calls a function of this name."""
    return any(_calls(_forward(module), name) for module in model.modules())


def _forward(module: nn.Module) -> Any:
    replaced = getattr(vars(module).get("forward"), "__func__", None)
    return replaced or inspect.unwrap(type(module).forward)


def _calls(forward: Any, name: str) -> bool:
    return name in getattr(getattr(forward, "__code__", None), "co_names", ())
