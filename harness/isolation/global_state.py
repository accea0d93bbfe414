"""Global state that a cell must not change, since the same process judges the next cell.

Functions and methods of the libraries are compared by identity: if another object has the name now,
the function was patched and the patch was not removed.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import types
from collections.abc import Iterator, Mapping
from typing import Any

WATCHED = ("harness.", "onnx.", "onnxscript.", "torch.nn.", "torch.onnx.", "transformers.")
WATCHED_PACKAGES = ("onnx", "onnxruntime", "torch", "torch.onnx", "torch.nn", "torch._tensor")
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, type, staticmethod, classmethod)
_LOGGERS = ("", "torch", "torch.onnx", "transformers", "onnxscript")

State = Mapping[str, Any]


def snapshot(*, code_of: State | None = None) -> State:
    """Return name -> value of all watched state: settings, and functions of the libraries.

    This takes tens of milliseconds, most of them to list the functions. Give `code_of`, an earlier
    snapshot, if no function can have changed since; its functions are then used.
    """
    code = dict(_code()) if code_of is None else code_of
    settings = {**dict(_interpreter()), **dict(_torch())}
    # Settings come first, since a reader understands them best; their current values win.
    return {**settings, **code, **settings}


def differences(before: State, after: State) -> list[str]:
    """Return one text for each change between two snapshots; new names do not count."""
    return [
        f"{name} is not what it was"
        if _is_code(value)
        else f"{name}: {value!r:.60} became {after.get(name)!r:.60}"
        for name, value in before.items()
        if not _is_same(value, after.get(name))
    ]


def _is_same(before: Any, after: Any) -> bool:
    return before is after if _is_code(before) else bool(before == after)


def _is_code(value: Any) -> bool:
    return isinstance(value, _FUNCTIONS)


def _interpreter() -> Iterator[tuple[str, Any]]:
    yield "working directory", os.getcwd()  # noqa: PTH109 - Path.cwd() would be slower, no clearer
    yield "environment", dict(os.environ)
    yield "sys.path", list(sys.path)
    yield "recursion limit", sys.getrecursionlimit()
    yield "garbage collection", (gc.isenabled(), gc.get_threshold())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        yield f"handler of {number.name}", repr(signal.getsignal(number))
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        yield f"logger {name or 'root'}", (logger.level, logger.disabled)
    yield "threads", sorted(thread.name for thread in threading.enumerate())


def _torch() -> Iterator[tuple[str, Any]]:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    yield "torch default dtype", str(torch.get_default_dtype())
    yield "torch default device", str(torch.get_default_device())
    yield "torch threads", torch.get_num_threads()
    yield "torch gradients", torch.is_grad_enabled()
    yield "torch deterministic algorithms", torch.are_deterministic_algorithms_enabled()


def _code() -> Iterator[tuple[str, Any]]:
    for name, module in list(sys.modules.items()):
        if not (name.startswith(WATCHED) or name in WATCHED_PACKAGES):
            continue
        for key, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
                yield f"{name}.{key}", value
            elif isinstance(value, type) and value.__module__ == name:
                yield f"{name}.{key}", value
                yield from _methods(f"{name}.{key}", value)


def _methods(name: str, cls: type) -> Iterator[tuple[str, Any]]:
    for key, value in list(vars(cls).items()):
        if isinstance(value, _FUNCTIONS):
            yield f"{name}.{key}", value
