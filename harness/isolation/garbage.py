"""Frees memory after a cell, so that a judge needs no more after 1,000 cells than after 10.

Memory would grow for these reasons:

- torch.fx keeps the source text of every module that it generates until the process ends, to show
  it in tracebacks: 0.5 MB in about 36 texts for an export of a small decoder.
- torch.export keeps the symbolic sizes of a model, 10,000 objects for a small encoder. The symbol
  environment (`ShapeEnv`) lists the inputs that it tracks, and their sizes refer back to it from
  C++, where Python's garbage collector cannot see the cycle. pytorch#193015 repairs the same for
  torch.compile.
- The objects of a cell, arrays and sessions included, form reference cycles. Python looks for
  cycles less often the more objects there are. When it frees them, they share memory pages with
  objects that are still in use, so the allocator does not return these pages by itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import linecache
import sys

import psutil

from harness.isolation.process_tree import resident_bytes

MIB = 1 << 20
GENERATED = "<eval_with_key>"
"""Start of the file names that torch.fx gives its generated modules; no such file exists."""


class GarbageCollector:
    """Collects garbage after the process has grown by `step` bytes since the last collection.

    A collection takes a third of a second, as long as judging a small cell.
    """

    def __init__(self, step: int = 64 * MIB) -> None:
        self._step = step
        self._process = psutil.Process()
        self._size_after = resident_bytes(self._process)

    def collect(self) -> None:
        """Free unused objects and return empty pages to the system, if the process has grown.

        Texts of generated modules are freed on every call.
        """
        _clear_generated_sources()
        if resident_bytes(self._process) < self._size_after + self._step:
            return
        _clear_symbol_environments()
        gc.collect()
        with contextlib.suppress(AttributeError, OSError):  # only glibc has it
            ctypes.CDLL(None).malloc_trim(0)
        self._size_after = resident_bytes(self._process)


def _clear_generated_sources() -> None:
    """Drop the source texts of generated modules.

    Modules in use still run; only tracebacks no longer show their lines.
    """
    graph_module = sys.modules.get("torch.fx.graph_module")
    with contextlib.suppress(AttributeError):
        graph_module._loader.eval_cache.clear()  # type: ignore[union-attr]
    for name in [name for name in linecache.cache if name.startswith(GENERATED)]:
        del linecache.cache[name]


def _clear_symbol_environments() -> None:
    """Clear the tracked inputs of all symbol environments, so that they can be freed.

    Exported programs in use can still be lowered: an environment needs its tracked inputs only
    during the export.
    """
    symbolic_shapes = sys.modules.get("torch.fx.experimental.symbolic_shapes")
    environment = getattr(symbolic_shapes, "ShapeEnv", None)
    if environment is None:
        return
    for cached in vars(environment).values():
        with contextlib.suppress(AttributeError):
            cached.cache_clear()
    for kept in gc.get_objects():
        if type(kept) is environment and kept.tracked_fakes:
            kept.tracked_fakes.clear()
