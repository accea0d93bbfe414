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


def write_whole(path: Path, text: str) -> None:
    """Write beside `path`, then rename: nobody ever meets half of it. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
