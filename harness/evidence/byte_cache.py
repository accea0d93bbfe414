"""A cache that keeps values up to a number of bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

Value = TypeVar("Value")

CAPACITY = 256 * 2**20
"""Default limit in bytes for kept values."""


class ByteCache:
    """Values by key, each computed at its first request. Not thread-safe.

    A value that does not fit in `capacity` bytes is returned but not kept. Older values are never
    dropped for newer ones: every requirement asks for the values in the same order, so each would
    be dropped before the next requirement asks for it.
    """

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._values: dict[Hashable, Any] = {}
        self._bytes = 0

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of a key; compute it if it is not cached. Exceptions are not cached."""
        if key in self._values:
            kept: Value = self._values[key]
            return kept
        value = compute()
        size = sum(map(_nbytes, leaves(value)))
        if self._bytes + size <= self._capacity:
            self._values[key] = value
            self._bytes += size
        return value


def leaves(value: Any) -> Iterator[Any]:
    """Yield the elements of a nested value in order: keys, arrays, numbers and texts."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from leaves(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        yield len(value)
        for item in value:
            yield from leaves(item)
    elif isinstance(value, Exception):
        yield f"{type(value).__name__}: {value}"
    else:
        yield value


def _nbytes(leaf: Any) -> int:
    size: int = getattr(leaf, "nbytes", 64)
    return size
