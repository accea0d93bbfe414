"""Pays for imports before the first cell, so that its seconds and its traces are its own."""

from __future__ import annotations

import contextlib
import importlib

MODULES = (
    "onnx",
    "onnxruntime",
    "onnxscript",
    "torch",
    "transformers",
    # These change the environment and patch torch when they are first imported.
    "torch._dynamo",
    "torch.onnx._internal.exporter._core",
)


def warm_up() -> None:
    """Import what judging needs; what is missing is told by the cell that needs it."""
    for name in MODULES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _start_no_monitor()


def _start_no_monitor() -> None:
    """Have tqdm, which torch uses, keep no thread of its own beside the cells."""
    with contextlib.suppress(ImportError):
        importlib.import_module("tqdm").tqdm.monitor_interval = 0
