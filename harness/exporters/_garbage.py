"""Keeps Python's garbage collector from running while an exporter does."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Collect no cycles for the length of the block.

    An export makes half a million objects and keeps most of them, so that the collector looks
    through all of them many times, and finds little. Afterwards they are young still, and one pass
    over them alone frees what is left of the export.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
