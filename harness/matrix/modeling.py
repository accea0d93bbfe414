"""Find the files of transformers that a tiny model is built from, without importing them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

AUTO = "auto"
MODELS = "models"
_NEIGHBOUR = re.compile(rb"^\s*from (?:\.\.|transformers\.models\.)(\w+)", re.MULTILINE)


@functools.cache
def shared_files(library: Path) -> tuple[Path, ...]:
    """Return the files of transformers that are not in the package of a single model."""
    return tuple(
        path
        for path in sorted(library.rglob("*.py"))
        if (parts := path.relative_to(library).parts)[0] != MODELS
        or len(parts) == 2
        or parts[1] == AUTO
    )


@functools.cache
def files_of_models(library: Path, model_types: frozenset[str]) -> tuple[Path, ...]:
    """Return the Python files of the given models and of all models that these import, sorted.

    `library` is the folder of transformers. An import of an import counts too. Returns the files of
    all models if a type has no package of the same name, or if a package uses an auto class, such
    as `AutoModel`, which chooses the model at run time.
    """
    waiting = {name.replace("-", "_") for name in model_types}
    found: dict[str, list[Path]] = {}
    while waiting:
        name = waiting.pop()
        files = sorted((library / MODELS / name).glob("*.py"))
        if not files or name == AUTO:
            return tuple(sorted((library / MODELS).rglob("*.py")))
        found[name] = files
        waiting |= set(_neighbours(files)) - found.keys()
    return tuple(path for name in sorted(found) for path in found[name])


def model_types(fixture: Any) -> Iterator[str]:
    """Yield every `model_type` in a tiny model, including its nested configurations."""
    if isinstance(fixture, dict):
        if isinstance(fixture.get("model_type"), str):
            yield fixture["model_type"]
        for value in fixture.values():
            yield from model_types(value)


def _neighbours(files: Iterable[Path]) -> Iterator[str]:
    for path in files:
        yield from (name.decode() for name in _NEIGHBOUR.findall(path.read_bytes()))
