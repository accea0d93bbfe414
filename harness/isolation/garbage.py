"""Keeps a judge as small after the thousandth cell as after the tenth.

torch.fx keeps the source text of every module that it generates, for tracebacks, as long as the
process lives: half a megabyte for an export of a small decoder, in three dozen texts. torch.export
keeps what it knew of a model's sizes, 10,000 objects for a small encoder: the environment of its
symbols lists the inputs that it stood for, whose sizes refer back to it from C++, where the
interpreter looks for no circles. pytorch#193015 mends the same for torch.compile.

What a cell has made refers to itself in circles, arrays and sessions included, and the interpreter
looks for circles the less often the more objects there are. What it finds at last has been mixed
with what stays, so that the allocator cannot give it back by itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import linecache
import sys

import psutil

from harness.isolation.family import resident

MIB = 1 << 20
GENERATED = "<eval_with_key>"
"""How the files of torch.fx's modules are called, which are on no disk."""


class Garbage:
    """Looks for garbage when `step` bytes have come to what was left of the last look.

    A look takes a third of a second, as long as judging a small cell.
    """

    def __init__(self, step: int = 64 * MIB) -> None:
        self._step = step
        self._process = psutil.Process()
        self._left = resident(self._process)

    def give_back(self) -> None:
        """Free what nothing refers to, and return the pages that it leaves empty to the system."""
        _forget_generated_sources()
        if resident(self._process) < self._left + self._step:
            return
        _let_go_of_symbols()
        gc.collect()
        with contextlib.suppress(AttributeError, OSError):  # glibc alone has it
            ctypes.CDLL(None).malloc_trim(0)
        self._left = resident(self._process)


def _forget_generated_sources() -> None:
    """Modules that are still in use run as before; a traceback shows no lines of theirs."""
    graph_module = sys.modules.get("torch.fx.graph_module")
    with contextlib.suppress(AttributeError):
        graph_module._loader.eval_cache.clear()  # type: ignore[union-attr]
    for name in [name for name in linecache.cache if name.startswith(GENERATED)]:
        del linecache.cache[name]


def _let_go_of_symbols() -> None:
    """An exported program that is still in use is lowered as before: its environment asks for the
    inputs that it stood for while it is being exported, and not again."""
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
