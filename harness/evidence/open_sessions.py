"""How many sessions stay open at once: each holds a copy of the weights."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.evidence.sides import PartEvidence

CAPACITY = 2 * 2**30


class OpenSessions:
    """Closes the oldest sessions of a cell when the weights of all exceed `capacity` bytes.

    At least the latest session stays open. A closed session is opened again when it is needed.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._open: list[tuple[weakref.ref[PartEvidence], str, int]] = []

    def add(self, part: PartEvidence, name: str) -> None:
        """Note that a part opens a session, and close others before it does."""
        size = _size_on_disk(part)
        self._open = [(ref, n, s) for ref, n, s in self._open if ref() is not None]
        while self._open and size + sum(s for _, _, s in self._open) > self._capacity:
            reference, oldest, _ = self._open.pop(0)
            owner = reference()
            if owner is not None:
                owner.close(oldest)
        self._open.append((weakref.ref(part), name, size))


def _size_on_disk(part: PartEvidence) -> int:
    """Return the bytes of a file and of its external data, which exporters name after it.

    0 if no file is run, as with eager PyTorch in place of the files.
    """
    path = part.owner.files.get(part.stem)
    if path is None:
        return 0
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.stem}*"))
