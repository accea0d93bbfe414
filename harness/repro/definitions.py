"""Extract the source of functions and classes for scripts, without importing their modules."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources

from harness.repro.imports import ImportedName, imported_names

_MODULES = ("standalone", "states", "windows", "changed", "showing")


@functools.cache
def _statements() -> tuple[tuple[ast.stmt, str], ...]:
    """Return each top-level statement of the modules with its source, in order."""
    folder = resources.files("harness.repro")
    texts = (folder.joinpath(f"{name}.py").read_text(encoding="utf-8") for name in _MODULES)
    return tuple(
        (node, ast.get_source_segment(text, node) or "")
        for text in texts
        for node in ast.parse(text).body
    )


@functools.cache
def _definitions() -> Mapping[str, tuple[ast.stmt, str]]:
    """Name -> syntax tree and source of the function or class."""
    return {
        node.name: (node, source)
        for node, source in _statements()
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    }


def definitions_for(names: Iterable[str]) -> dict[str, str]:
    """Name -> source of the named functions and classes and of all that they use.

    The order is the order of the source.
    """
    definitions = _definitions()
    wanted, pending = set[str](), set(names)
    while pending:
        wanted |= pending
        used = {found for name in pending for found in _names(definitions[name][0])}
        pending = (used & definitions.keys()) - wanted
    return {name: source for name, (_, source) in definitions.items() if name in wanted}


def constant_names() -> tuple[str, ...]:
    """Return the constants that the modules declare and scripts set, in order."""
    found = (
        node.target.id
        for node, _ in _statements()
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    )
    return tuple(dict.fromkeys(found))


@functools.cache
def reserved_names() -> frozenset[str]:
    """Return the names of all functions, classes and constants."""
    return frozenset({*_definitions(), *constant_names()})


def imports_for(code: str) -> Iterator[ImportedName]:
    """Yield the names that `code` reads and that the modules import from other packages."""
    used, own = used_names(code), {"__future__", "harness"}
    for node, _ in _statements():
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found = imported_names(node)
            yield from (one for one in found if one.binds in used and one.package not in own)


def used_names(code: str) -> frozenset[str]:
    """Return every name that occurs in `code`, except parameters and definitions."""
    return frozenset(_names(ast.parse(code)))


def _names(node: ast.AST) -> Iterator[str]:
    return (found.id for found in ast.walk(node) if isinstance(found, ast.Name))
