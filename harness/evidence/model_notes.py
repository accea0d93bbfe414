"""Notes on a model: the parts and properties of a checkpoint that a verdict does not cover."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.evidence.hub import fetch_file
from harness.evidence.model_folders import CONFIG, MODULES, ModelFolder, transformer_folder

MAX_HEADER = 100_000_000
"""Size in bytes that safetensors itself permits for a header:
https://github.com/huggingface/safetensors#format"""

FLOAT_TYPES = {
    "F16": "float16",
    "BF16": "bfloat16",
    "F64": "float64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}
"""Name in safetensors -> name in torch, for the types of weights other than float32."""


def notes_on_model(model: Path | str) -> tuple[str, ...]:
    """Return notes on a model folder, or on a model of the hub."""
    folder = Path(model) if Path(model).is_dir() else _cached_snapshot(str(model))
    if folder is None:
        return ()
    transformer = ModelFolder(transformer_folder(folder))
    return tuple(filter(None, (_dtype_note(transformer), _modules_note(ModelFolder(folder)))))


def _cached_snapshot(hub_id: str) -> Path | None:
    """Return the folder of a model in the cache, with its modules.json; None if it is not there."""
    fetch_file(hub_id, MODULES)
    path = fetch_file(hub_id, CONFIG)
    return path and path.parent


def _dtype_note(folder: ModelFolder) -> str | None:
    dtypes = sorted(set(_stored_dtypes(folder)))
    if not dtypes:
        return None
    return (
        f"the checkpoint has {' and '.join(dtypes)} weights; they are read and judged as float32, "
        "and `export` writes float32"
    )


def _stored_dtypes(folder: ModelFolder) -> Iterator[str]:
    """Yield types of floating-point weights other than float32."""
    files = folder.match("model*.safetensors")
    for path in files:
        yield from (FLOAT_TYPES[name] for name in _header_dtypes(path) if name in FLOAT_TYPES)
    declared = folder.config.get("dtype", folder.config.get("torch_dtype"))
    if not files and declared in FLOAT_TYPES.values():
        yield str(declared)


def _header_dtypes(path: Path) -> Iterable[str]:
    """Return the types in the header of a safetensors file; none if it cannot be read.

    Loading the model reports what is wrong with such a file.
    """
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header: dict[str, Any] = json.loads(file.read(min(size, MAX_HEADER)))
        return {str(entry["dtype"]) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError):
        return ()


def _modules_note(folder: ModelFolder) -> str | None:
    """Name the modules of sentence-transformers that come after its transformer."""
    left_out = [str(module.get("type")).rpartition(".")[2] for module in folder.modules[1:]]
    if not left_out:
        return None
    return (
        f"the folder is a sentence-transformers model ({MODULES}); only its transformer is "
        f"exported and judged, without {' and '.join(left_out)}"
    )
