"""Cache of torch.onnx's operator registries: one for each opset instead of one for each export."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Iterator
from typing import Any


class Registries:
    """Keeps torch.onnx's registry of translations for each opset, and gives copies to exports."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Any] = {}

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Inside the block, exports take their registries from this cache.

        torch.onnx has no argument for a registry, so the class method that builds one is replaced
        inside the block. If it does not have the expected form, nothing is replaced.
        """
        kind = _registry_class()
        if kind is None:
            yield
            return
        plain = inspect.getattr_static(kind, "from_torchlib")

        def from_torchlib(_: type, /, *opset: int, **named: int) -> Any:
            key = (*opset, *named.items())
            if key not in self._made:
                self._made[key] = plain.__func__(kind, *opset, **named)
            return _copied(self._made[key])

        kind.from_torchlib = classmethod(from_torchlib)
        try:
            yield
        finally:
            kind.from_torchlib = plain


def _registry_class() -> Any:
    """Return torch.onnx's registry class; None if it lacks the members that are used here."""
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:
        return None
    plain = inspect.getattr_static(ONNXRegistry, "from_torchlib", None)
    holds_functions = isinstance(getattr(ONNXRegistry(), "functions", None), dict)
    return ONNXRegistry if isinstance(plain, classmethod) and holds_functions else None


def _copied(registry: Any) -> Any:
    """Return a copy to which translations can be added; the translations themselves are shared."""
    copied = copy.copy(registry)
    copied.functions = {name: list(known) for name, known in registry.functions.items()}
    return copied
