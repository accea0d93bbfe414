"""How many sessions stay open at once: each holds a copy of the weights."""

from __future__ import annotations

import weakref
from typing import Protocol

CAPACITY = 2 * 2**30


class Closable(Protocol):
    """Holds sessions by name."""

    def close(self, name: str) -> None:
        """Close a session; it is opened again when it is needed."""


class OpenSessions:
    """Closes the oldest sessions of a cell when the weights of all exceed `capacity` bytes.

    At least the latest session stays open. A closed session is opened again when it is needed.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._open: list[tuple[weakref.ref[Closable], str, int]] = []

    def add(self, holder: Closable, name: str, *, size: int) -> None:
        """Note that a session of `size` bytes opens, and close others before it does."""
        self._open = [(ref, n, s) for ref, n, s in self._open if ref() is not None]
        while self._open and size + sum(s for _, _, s in self._open) > self._capacity:
            reference, oldest, _ = self._open.pop(0)
            before = reference()
            if before is not None:
                before.close(oldest)
        self._open.append((weakref.ref(holder), name, size))
