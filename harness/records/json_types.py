"""Whether values read from JSON have the types that their dataclass declares."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


def refuse_other_types(value: Any) -> None:
    """Raise TypeError for a field of a dataclass, or of one within it, of an undeclared type."""
    cls: Any = type(value)
    for name, kind in _field_types(cls).items():
        found = getattr(value, name)
        if not _is_of(found, kind):
            raise TypeError(f"{name} is {found!r:.80}, should be {kind}")
        for inner in _within(found):
            if dataclasses.is_dataclass(inner):
                refuse_other_types(inner)


def _within(found: Any) -> Iterable[Any]:
    if isinstance(found, dict):
        return found.values()
    return found if isinstance(found, list) else (found,)


@functools.cache
def _field_types(cls: Any) -> Mapping[str, Any]:
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def _is_of(value: Any, kind: Any) -> bool:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin is UnionType:
        return any(_is_of(value, argument) for argument in arguments)
    if origin is Mapping:
        return isinstance(value, dict) and all(_is_of(v, arguments[1]) for v in value.values())
    if origin is list:
        return isinstance(value, list) and all(_is_of(item, arguments[0]) for item in value)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)
