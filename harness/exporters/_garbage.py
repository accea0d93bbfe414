"""Pause Python's garbage collector during an export."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Disable the garbage collector inside the block.

    An export creates half a million objects and keeps most of them: the collector would scan them
    many times and free little. After the block they are still in the youngest generation, so one
    pass over that generation frees the remains of the export.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
