"""Digests of files, and the files that a module of descriptions or of an exporter is made of.

Nothing is imported: what a module imports is read from its source.
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

from harness.matrix.meaning import meaning_of

ABSENT = "absent"
INSTALLED = frozenset({"site-packages", "dist-packages"})


def digest_of(path: Path) -> str:
    """What a file means, in short; `ABSENT` where there is none.

    One that is not what its suffix says, a JSON file that cannot be parsed, counts by its bytes.
    """
    return str(_cached(_digest_of_meaning, path, absent=ABSENT))


def digest_of_bytes(path: Path) -> str:
    """The content of a file, in short: for those of libraries, which are many."""
    return str(_cached(_digest_of_bytes, path, absent=ABSENT))


def files_of(modules: Iterable[str]) -> frozenset[Path] | None:
    """The sources of imported modules and of all that they import from where they are installed.

    That is their own package, and modules beside it unless all installed packages are. The standard
    library does not count. None where a module has no source, so that nobody can tell.
    """
    found: dict[Path, str] = {}
    for name in modules:
        if name.partition(".")[0] in sys.stdlib_module_names:
            continue
        path = getattr(sys.modules.get(name), "__file__", None)
        if path is None or Path(path).suffix != ".py":
            return None
        _follow(name, Path(path), found)
    return frozenset(found)


def _follow(name: str, path: Path, found: dict[Path, str]) -> None:
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
            _follow(imported, source, found)


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


def _source(home: Path, name: str) -> Path | None:
    base = home.joinpath(*name.split("."))
    candidates = (base / "__init__.py", base.parent / f"{base.name}.py")
    return next((path for path in candidates if path.is_file()), None)


def _imports(path: Path, package: str) -> frozenset[str]:
    """Every name that may be a module, those imported within functions among them."""
    names = _cached(_imports_in, path, absent=())
    return frozenset(
        importlib.util.resolve_name(name, package) if name.startswith(".") else name
        for name in names
    )


def _imports_in(path: Path) -> tuple[str, ...]:
    try:
        tree = ast.parse(path.read_bytes())
    except (ValueError, SyntaxError):  # of another version of Python; its digest tells it
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


def _digest_of_meaning(path: Path) -> str:
    content = path.read_bytes()
    try:
        return hashlib.sha256(repr(meaning_of(path, content)).encode()).hexdigest()
    except (ValueError, SyntaxError):
        return hashlib.sha256(content).hexdigest()


def _digest_of_bytes(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _read(make: Callable[[Path], Any], path: Path, modified: int, size: int) -> Any:
    return make(path)


def _cached(make: Callable[[Path], Any], path: Path, *, absent: Any) -> Any:
    """What `make` gives for a file, once in this process for each state of it."""
    try:
        status = path.stat()
        return _read(make, path, status.st_mtime_ns, status.st_size)
    except OSError:
        return absent
