"""Collect the errors that an exporter logs instead of raising them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from harness.errors import one_line


class _ErrorCollector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            self.errors.append(f"{type(error).__name__}: {one_line(error)}")


@contextlib.contextmanager
def logged_errors() -> Iterator[list[str]]:
    """Collect each exception that is logged as a warning or worse inside the block.

    torch.onnx saves a file of another opset if it cannot convert to the requested one, and only
    logs why.
    """
    collector = _ErrorCollector()
    root = logging.getLogger()
    root.addHandler(collector)
    try:
        yield collector.errors
    finally:
        root.removeHandler(collector)
