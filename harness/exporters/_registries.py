"""One registry of torch.onnx's translations for each opset, instead of one for each export."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Iterator
from typing import Any


class Registries:
    """Keeps what torch.onnx registers for an opset, and gives copies of it to exports."""

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Any] = {}

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Within the block exports take registries from here.

        torch.onnx has no argument for one, so that the class method which makes it is replaced
        meanwhile. Where it does not look as expected, nothing is.
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
    """The class of registries, if it has what is used here; else None."""
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:
        return None
    plain = inspect.getattr_static(ONNXRegistry, "from_torchlib", None)
    holds_functions = isinstance(getattr(ONNXRegistry(), "functions", None), dict)
    return ONNXRegistry if isinstance(plain, classmethod) and holds_functions else None


def _copied(registry: Any) -> Any:
    """A registry to which operators may be added; the translations themselves are only read."""
    copied = copy.copy(registry)
    copied.functions = {name: list(known) for name, known in registry.functions.items()}
    return copied
