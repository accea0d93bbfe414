"""Values as JSON types, and the check that values read from JSON have the declared types."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


def to_plain(value: Any) -> Any:
    """Convert to JSON types; NaN and infinities become strings that `float()` can read."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, StrEnum) else value


def require_declared_types(value: Any) -> None:
    """Raise TypeError if a field of a dataclass, or of a nested one, has another type."""
    cls: Any = type(value)
    for name, kind in _field_types(cls).items():
        found = getattr(value, name)
        if not _has_type(found, kind):
            raise TypeError(f"{name} is {found!r:.80}, should be {kind}")
        for inner in _nested_values(found):
            if dataclasses.is_dataclass(inner):
                require_declared_types(inner)


def _nested_values(found: Any) -> Iterable[Any]:
    if isinstance(found, dict):
        return found.values()
    return found if isinstance(found, (list, tuple)) else (found,)


@functools.cache
def _field_types(cls: Any) -> Mapping[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _has_type(value: Any, kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin is UnionType:
        return any(_has_type(value, argument) for argument in arguments)
    if origin is Mapping:
        return isinstance(value, dict) and all(_has_type(v, arguments[1]) for v in value.values())
    if origin is list:
        return isinstance(value, list) and all(_has_type(item, arguments[0]) for item in value)
    if origin is tuple:
        return isinstance(value, tuple) and all(_has_type(item, arguments[0]) for item in value)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)
