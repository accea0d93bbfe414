"""Takes functions and classes out of the modules for scripts, importing none of them."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources

_MODULES = ("standalone", "showing")


@functools.cache
def _statements() -> tuple[tuple[ast.stmt, str], ...]:
    """Each statement of the modules with its source, in the order in which they stand."""
    folder = resources.files("harness.repro")
    texts = (folder.joinpath(f"{name}.py").read_text(encoding="utf-8") for name in _MODULES)
    return tuple(
        (node, ast.get_source_segment(text, node) or "")
        for text in texts
        for node in ast.parse(text).body
    )


@functools.cache
def _definitions() -> Mapping[str, tuple[ast.stmt, str]]:
    """Name -> function or class, with its source."""
    return {
        node.name: (node, source)
        for node, source in _statements()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }


def pieces(names: Iterable[str]) -> dict[str, str]:
    """Name -> source of these and of all that they use, in the order in which they stand."""
    definitions = _definitions()
    wanted, pending = set[str](), set(names)
    while pending:
        wanted |= pending
        used = {found for name in pending for found in _names(definitions[name][0])}
        pending = (used & definitions.keys()) - wanted
    return {name: source for name, (_, source) in definitions.items() if name in wanted}


def constants() -> tuple[str, ...]:
    """The names that scripts state, in the order in which they stand."""
    found = (
        node.target.id
        for node, _ in _statements()
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    )
    return tuple(dict.fromkeys(found))


def imports_for(code: str) -> str:
    """The import statements whose names a piece of code uses: Python's own, then all others."""
    used = used_names(code)
    groups: tuple[set[str], set[str]] = (set(), set())
    for node, source in _statements():
        if isinstance(node, (ast.Import, ast.ImportFrom)) and _binds(node) & used:
            groups[_package(node) not in sys.stdlib_module_names].add(source)
    ordered = (sorted(group, key=lambda line: (line.startswith("from"), line)) for group in groups)
    return "\n\n".join("\n".join(group) for group in ordered if group)


def used_names(code: str) -> frozenset[str]:
    """Every name that a piece of code reads."""
    return frozenset(_names(ast.parse(code)))


def _package(node: ast.Import | ast.ImportFrom) -> str:
    name = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
    return name.partition(".")[0]


def _binds(node: ast.Import | ast.ImportFrom) -> set[str]:
    bound = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return set() if _package(node) == "__future__" else bound


def _names(node: ast.AST) -> Iterator[str]:
    return (found.id for found in ast.walk(node) if isinstance(found, ast.Name))
