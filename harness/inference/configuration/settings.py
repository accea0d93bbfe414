"""Read a configuration of transformers as a tree of settings."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

Path = tuple[str, ...]

_DEEPEST = 4


def is_configuration(value: Any) -> bool:
    """Whether a value is a nested configuration."""
    return hasattr(value, "model_type") and hasattr(value, "to_dict")


def is_size(value: Any) -> TypeGuard[int]:
    """Whether a value is an integer, which a boolean is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def are_sizes(value: Any) -> TypeGuard[list[int]]:
    """Whether a value is a list of integers, and not empty."""
    return isinstance(value, list | tuple) and bool(value) and all(map(is_size, value))


def read(config: Any, name: str, default: Any = None) -> Any:
    """Return a setting; `default` if a configuration has none or its property raises."""
    try:
        return getattr(config, name, default)
    except Exception:  # properties of configurations raise many kinds
        return vars(config).get(name, default)


def own_settings(config: Any) -> dict[str, Any]:
    """Return the settings that a configuration has in addition to the common ones."""
    if dataclasses.is_dataclass(config):
        names = [field.name for field in dataclasses.fields(config)]
    else:
        names = [name for name in vars(config) if not name.startswith("_")]
    return {name: read(config, name) for name in names if name not in _common_names()}


def nodes(config: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield a configuration and all nested ones, each with its path."""
    yield path, config
    if len(path) > _DEEPEST:
        return
    for name, value in own_settings(config).items():
        if is_configuration(value):
            yield from nodes(value, (*path, name))


def changed(settings: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return settings with another value at a path of nested settings."""
    other = copy.deepcopy(dict(settings))
    holder = other
    for part in path[:-1]:
        holder = holder.setdefault(part, {})
    holder[path[-1]] = value
    return other


@functools.cache
def _common_names() -> frozenset[str]:
    from transformers import PreTrainedConfig

    return frozenset(f.name for f in dataclasses.fields(PreTrainedConfig)) | {"model_type"}
