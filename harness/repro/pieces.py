"""Takes functions and classes out of `harness.repro.standalone` without importing it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources


@functools.cache
def _module() -> tuple[str, ast.Module]:
    text = resources.files("harness.repro").joinpath("standalone.py").read_text(encoding="utf-8")
    return text, ast.parse(text)


@functools.cache
def _definitions() -> Mapping[str, ast.stmt]:
    """Name -> function or class, in the order in which they stand."""
    _, module = _module()
    return {n.name: n for n in module.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}


def pieces(names: Iterable[str]) -> dict[str, str]:
    """Name -> source of these and of all that they use, in the order in which they stand."""
    text, _ = _module()
    definitions = _definitions()
    wanted, pending = set[str](), set(names)
    while pending:
        wanted |= pending
        used = {found for name in pending for found in _names(definitions[name])}
        pending = (used & definitions.keys()) - wanted
    return {
        name: segment
        for name, node in definitions.items()
        if name in wanted and (segment := ast.get_source_segment(text, node)) is not None
    }


def constants() -> tuple[str, ...]:
    """The names that scripts state, in the order in which they stand."""
    _, module = _module()
    return tuple(
        node.target.id
        for node in module.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    )


def imports_for(code: str) -> str:
    """The import statements whose names a piece of code uses, a line for each, grouped as there."""
    text, module = _module()
    used = set(_names(ast.parse(code)))
    lines: list[str] = []
    end = None
    for node in module.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) and _binds(node) & used:
            if end is not None and "" in text.splitlines()[end : node.lineno - 1]:
                lines.append("")
            lines.append(ast.get_source_segment(text, node) or "")
            end = node.end_lineno
    return "\n".join(lines)


def used_names(code: str) -> frozenset[str]:
    """Every name that a piece of code reads."""
    return frozenset(_names(ast.parse(code)))


def _binds(node: ast.Import | ast.ImportFrom) -> set[str]:
    is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    bound = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return set() if is_future else bound


def _names(node: ast.AST) -> Iterator[str]:
    return (found.id for found in ast.walk(node) if isinstance(found, ast.Name))
