"""Values as JSON types, and values of declared types from JSON."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

_NOT_FINITE = ("nan", "inf", "-inf")


def to_plain(value: Any) -> Any:
    """Convert to JSON types; NaN and infinities become strings that `float()` can read."""
    if hasattr(value, "parse"):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, StrEnum) else value


def from_plain(kind: Any, value: Any, *, name: str = "value") -> Any:
    """Convert JSON types to a value of the type `kind`: the opposite of `to_plain`.

    A type with `parse` is written as text. Raises TypeError that begins with the name of the wrong
    field, or ValueError, if `value` stands for no such value.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is UnionType and value is None:
        return None
    if origin is UnionType:
        return from_plain(next(k for k in arguments if k is not NoneType), value, name=name)
    if origin is Mapping and isinstance(value, dict):
        return {key: from_plain(arguments[1], item, name=name) for key, item in value.items()}
    if origin in (list, tuple) and isinstance(value, list):
        return origin(from_plain(arguments[0], item, name=name) for item in value)
    if hasattr(kind, "parse"):
        return kind.parse(value)
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _from_fields(kind, value)
    if _has_type(value, kind):
        return kind(value)
    raise TypeError(f"{name} is {value!r:.80}, should be {kind}")


def _from_fields(kind: Any, values: Mapping[str, Any]) -> Any:
    kinds = _field_types(kind)
    return kind(**{name: from_plain(kinds[name], one, name=name) for name, one in values.items()})


@functools.cache
def _field_types(cls: Any) -> Mapping[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _has_type(value: Any, kind: Any) -> bool:
    if not isinstance(kind, type) or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if issubclass(kind, StrEnum):
        return isinstance(value, str)
    if kind is float:
        return isinstance(value, (int, float)) or value in _NOT_FINITE
    return isinstance(value, kind)
