"""Memory that runs out: the one place that recognises it, whichever library reports it.

It is never a defect of a file, a description or a runtime. Such an example is out of reach.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from harness.errors import NotJudgedError, one_line

Value = TypeVar("Value")

_TEXT = re.compile(
    r"(failed|unable|can'?t|cannot|could not) (to )?allocate|not enough memory|out of memory"
    r"|bad[ _]alloc|available memory of \d+ is smaller",
    re.IGNORECASE,
)
"""Texts of the libraries whose errors have no class of their own:

- torch: `DefaultCPUAllocator: can't allocate memory: you tried to allocate 800000000000 bytes` and
  `DefaultCPUAllocator: not enough memory`
- ONNX Runtime: `Failed to allocate memory for requested buffer of size 800000000000`,
  `Available memory of 10 is smaller than requested bytes of 20` and `std::bad_alloc`
"""
_SIZE = re.compile(r"(?:size|bytes of|allocate)\s*:?\s*(\d{4,})")


class OutOfMemoryError(NotJudgedError):
    """Memory ran out. `needs` says what was asked for, such as `a block of 17.2 GB`."""

    def __init__(self, message: str, *, needs: str) -> None:
        super().__init__(message)
        self.needs = needs


def out_of_memory(error: BaseException) -> OutOfMemoryError | None:
    """Return an error for memory that ran out if `error`, or its cause, says so; else None."""
    for one in _chain(error):
        if isinstance(one, OutOfMemoryError):
            return one
        if _says_so(one):
            return OutOfMemoryError(
                f"memory ran out: {type(one).__name__}: {one_line(one)}", needs=_needs(one)
            )
    return None


def value_unless_out_of_memory(compute: Callable[[], Value], otherwise: Value) -> Value:
    """Return the computed value, or `otherwise` if memory runs out meanwhile."""
    try:
        return compute()
    except Exception as error:
        if out_of_memory(error) is None:
            raise
        return otherwise


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _says_so(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    # Other classes of the standard library do not come from an allocator, whatever their text says.
    is_native = isinstance(error, RuntimeError) or type(error).__module__ != "builtins"
    return is_native and _TEXT.search(str(error)) is not None


def _needs(error: BaseException) -> str:
    """Return how much was asked for in one block, if the error says it."""
    match = _SIZE.search(str(error))
    return f"a block of {int(match[1]) / 1e9:,.3g} GB" if match else "more memory than is free"
