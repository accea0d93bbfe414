"""The cache folder, JSON files with clear errors, and files that are never incomplete."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from harness.errors import UsageError


def cache_directory() -> Path:
    """Return the folder of cached results: `$ONNX_CONFORMANCE_CACHE` or the user's cache folder."""
    import platformdirs

    chosen = os.environ.get("ONNX_CONFORMANCE_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("onnx-conformance")


def read_json(path: Path) -> Any:
    """Return the contents of a JSON file; raises UsageError that names it if it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise UsageError(f"{path}: is not JSON ({error}); correct the file") from error


def write_atomically(path: Path, text: str) -> None:
    """Write a temporary file, then rename it to `path`, so that readers never see half a file.

    Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
