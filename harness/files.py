"""How files of ours are read and written: one clear line for a bad one, none half-written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from harness.errors import UsageError


def read_json(path: Path) -> Any:
    """What a JSON file holds; raises UsageError that names it where it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise UsageError(f"{path}: is not JSON ({error}); correct that line") from error


class LineFile:
    """A file of lines, each on disk when `append` returns.

    Unbuffered: after a refusal by the disk nothing waits to be written again, and what stands there
    is whole lines and at most the beginning of one. Raises OSError.
    """

    def __init__(self, path: Path, *, is_new: bool = True) -> None:
        self._stream = path.open("xb" if is_new else "ab", buffering=0)

    def append(self, text: str) -> None:
        rest = memoryview(f"{text}\n".encode())
        while rest:
            rest = rest[self._stream.write(rest) or 0 :]

    def close(self) -> None:
        self._stream.close()


def write_whole(path: Path, text: str) -> None:
    """Write beside `path`, then rename: nobody ever meets half of it. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
