"""Names that import statements bind, and statements that bind them again."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.repro.literals import WIDTH


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class ImportedName:
    """A name that an import binds: the module `module`, or what that has as `name`.

    `bound` is the name after `as`, if there is one.
    """

    module: str
    name: str = ""
    bound: str = ""

    @property
    def package(self) -> str:
        """The top-level package."""
        return self.module.partition(".")[0]

    @property
    def binds(self) -> str:
        """The name that code reads."""
        return self.bound or self.name or self.package


def imported_names(node: ast.Import | ast.ImportFrom, module: str = "") -> Iterator[ImportedName]:
    """Yield the names that a statement binds; `module` contains it if it may be relative."""
    source = _source_of(node, module) if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        bound = alias.asname or ""
        if source:
            yield ImportedName(module=source, name=alias.name, bound=bound)
        else:
            yield ImportedName(module=alias.name, bound=bound)


def _source_of(node: ast.ImportFrom, module: str) -> str:
    """Return the absolute name of the module from which a statement imports."""
    source = node.module or ""
    if not node.level:
        return source
    package: str = vars(sys.modules[module])["__package__"]
    return importlib.util.resolve_name("." * node.level + source, package)


def import_lines(names: Iterable[ImportedName]) -> str:
    """Return statements that import the names: the standard library first, then other packages."""
    ordered = sorted(set(names))
    plain = [one for one in ordered if not one.name]
    groups: list[list[str]] = [[], [], []]
    for one in plain:
        suffix = f" as {one.bound}" if one.bound else ""
        groups[_group(one)].append(f"import {one.module}{suffix}")
    for module, found in itertools.groupby((n for n in ordered if n.name), lambda n: n.module):
        taken = list(found)
        groups[_group(taken[0])].append(_from_line(module, taken))
    return "\n\n".join("\n".join(group) for group in groups if group)


def _group(one: ImportedName) -> int:
    is_future = one.package == "__future__"
    return 0 if is_future else 1 if one.package in sys.stdlib_module_names else 2


def _from_line(module: str, names: Iterable[ImportedName]) -> str:
    aliases = [f"{n.name} as {n.bound}" if n.bound else n.name for n in names]
    line = f"from {module} import {', '.join(aliases)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {alias}," for alias in aliases), ")"])
