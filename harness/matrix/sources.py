"""Digests of files, and the source files that a description or an exporter depends on.

Modules are not imported: their imports are read from the source.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.matrix.normalized_content import normalize_content

ABSENT = "absent"
INSTALLED = frozenset({"site-packages", "dist-packages"})


def digest_of(path: Path) -> str:
    """Return a digest of a file without formatting, comments and docstrings; `ABSENT` if missing.

    If the file cannot be parsed as its suffix says, for example invalid JSON, its bytes count.
    """
    return str(_cached(_digest_of_normalized, path, absent=ABSENT))


def digest_of_bytes(path: Path) -> str:
    """Return a digest of a file's bytes: faster than `digest_of`, for the many library files."""
    return str(_cached(_digest_of_bytes, path, absent=ABSENT))


def files_of(modules: Iterable[str]) -> frozenset[Path] | None:
    """Return the source files of imported modules, and of the modules they import, recursively.

    Only imports from a module's own package are followed, and outside of site-packages also imports
    of its neighbours in the same folder. The standard library does not count. Returns None if a
    module has no Python source.
    """
    found: dict[Path, str] = {}
    for name in modules:
        if name.partition(".")[0] in sys.stdlib_module_names:
            continue
        path = getattr(sys.modules.get(name), "__file__", None)
        if path is None or Path(path).suffix != ".py":
            return None
        _add_sources(name, Path(path), found)
    return frozenset(found)


def _add_sources(name: str, path: Path, found: dict[Path, str]) -> None:
    if path in found:
        return
    found[path] = name
    home = path.parents[name.count(".") + (path.name == "__init__.py")]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    top = name.partition(".")[0]
    for imported in {*_parents(name), *_imports(path, package)}:
        is_near = home.name not in INSTALLED or imported.partition(".")[0] == top
        source = _source(home, imported) if is_near else None
        if source is not None:
            _add_sources(imported, source, found)


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


def _source(home: Path, name: str) -> Path | None:
    base = home.joinpath(*name.split("."))
    candidates = (base / "__init__.py", base.parent / f"{base.name}.py")
    return next((path for path in candidates if path.is_file()), None)


def _imports(path: Path, package: str) -> frozenset[str]:
    """All imported names that may be modules, including imports within functions."""
    names = _cached(_imports_in, path, absent=())
    return frozenset(
        importlib.util.resolve_name(name, package) if name.startswith(".") else name
        for name in names
    )


def _imports_in(path: Path) -> tuple[str, ...]:
    try:
        tree = ast.parse(path.read_bytes())
    except (ValueError, SyntaxError):  # another Python version's syntax; its digest still counts
        return ()
    return tuple(_imported_names(tree))


def _imported_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            if node.module:
                yield start
            separator = "." if node.module else ""
            yield from (f"{start}{separator}{alias.name}" for alias in node.names)


def _digest_of_normalized(path: Path) -> str:
    content = path.read_bytes()
    try:
        return hashlib.sha256(repr(normalize_content(path, content)).encode()).hexdigest()
    except (ValueError, SyntaxError):
        return hashlib.sha256(content).hexdigest()


def _digest_of_bytes(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _read(make: Callable[[Path], Any], path: Path, modified: int, size: int) -> Any:
    return make(path)


def _cached(make: Callable[[Path], Any], path: Path, *, absent: Any) -> Any:
    """Return `make(path)`, computed once per process while the file is unchanged."""
    try:
        status = path.stat()
        return _read(make, path, status.st_mtime_ns, status.st_size)
    except OSError:
        return absent
