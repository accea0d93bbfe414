"""Copy functions, classes and constants of modules, with everything that they use."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import symtable
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.repro.edits import SourceEdits
from harness.repro.imports import ImportedName, imported_names

IMPORTED_PACKAGES = frozenset({"torch", "transformers", "numpy", "onnx", "onnxruntime"})
"""What scripts may import beside the standard library."""

_ANY = ImportedName(module="typing", name="Any")


class UncopyableError(HarnessError):
    """A script cannot contain a piece of code. The message says which, and why."""


@dataclass(frozen=True, slots=True)
class Binding:
    """A top-level statement that binds a name: its source, or the name that it imports.

    `is_again` says that another statement binds the same name to something else.
    """

    source: str = ""
    imported: ImportedName | None = None
    is_again: bool = False


class CopiedSource:
    """Collects definitions, each after the ones that it uses, and the imports that they need.

    Code of `packages` is copied; the standard library and `IMPORTED_PACKAGES` are imported. Methods
    raise UncopyableError if code needs anything else, or if two definitions have the same name.
    """

    def __init__(self, packages: Collection[str], uncopied_class: type) -> None:
        self.imports: dict[str, ImportedName] = {}
        self._packages = packages
        self._uncopied_class = uncopied_class
        self._texts: dict[str, str] = {}
        self._origins: dict[str, str] = {}

    @property
    def definitions(self) -> Mapping[str, str]:
        """Name -> source of each definition, in the order in which they can be executed."""
        return self._texts

    def add(self, module: str, name: str) -> None:
        """Add the definition or the import of a global name of a module."""
        binding = bindings_of(module).get(name)
        if binding is None:
            self._add_unbound(module, name)
        elif binding.is_again:
            raise UncopyableError(f"it uses {name}, for which {module} has several statements")
        elif binding.imported is not None:
            self._add_imported(binding.imported)
        elif name not in self._origins:
            self._origins[name] = module
            self._refuse_descriptions(module, name)
            self._texts[name] = self.copied(binding.source, module)
        elif self._origins[name] != module:
            raise UncopyableError(f"{module} and {self._origins[name]} both define {name}")

    def add_import(self, one: ImportedName) -> None:
        """Add an import of a package that scripts may import."""
        if self.imports.setdefault(one.binds, one) != one:
            raise UncopyableError(f"two of its modules import something else as {one.binds}")

    def copied(self, source: str, module: str) -> str:
        """Return source of a module as a script has it, after all that it uses was added."""
        tree, edits = ast.parse(source), SourceEdits(source)
        used, known = _global_names(source), {one for node in tree.body for one in _bound(node)}
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                known |= {one.binds for one in imported_names(node, module)}
                self._use_inner_import(node, module, edits)
            elif isinstance(node, ast.Name) and node.id in used:
                self.add(module, node.id)
        for annotation in _annotations(tree):
            self._use_annotation(annotation, module, edits, used | known)
        return edits.applied()

    def _add_imported(self, one: ImportedName) -> None:
        if one.package in self._packages:
            whole = f"{one.module}.{one.name}".rstrip(".")
            if not one.name or whole in sys.modules:
                raise UncopyableError(f"it uses the whole module {whole}")
            if one.binds != one.name:
                raise UncopyableError(f"it imports {one.name} under another name, {one.binds}")
            self.add(one.module, one.name)
        elif one.package in sys.stdlib_module_names or one.package in IMPORTED_PACKAGES:
            self.add_import(one)
        else:
            raise UncopyableError(f"it imports {one.package}")

    def _add_unbound(self, module: str, name: str) -> None:
        """Add a name that a module gets when it is asked for it, and leave out builtins."""
        if hasattr(builtins, name) or name == "__class__":
            return
        found = getattr(importlib.import_module(module), name, None)
        origin = getattr(found, "__module__", module)
        if origin == module or getattr(found, "__name__", "") != name:
            raise UncopyableError(f"it uses {name}, for which {module} has no statement")
        self.add(origin, name)

    def _refuse_descriptions(self, module: str, name: str) -> None:
        found = getattr(importlib.import_module(module), name, None)
        if isinstance(found, type) and issubclass(found, self._uncopied_class):
            raise UncopyableError(f"it uses the description {name}")

    def _use_inner_import(
        self, node: ast.Import | ast.ImportFrom, module: str, edits: SourceEdits
    ) -> None:
        """Add what an import within a function binds, or leave that import as it is."""
        names = list(imported_names(node, module))
        copied = [one for one in names if one.package in self._packages]
        for one in copied:
            self._add_imported(one)
        if copied:
            edits.remove(node)
        for one in names if not copied else ():
            if one.package not in sys.stdlib_module_names | IMPORTED_PACKAGES:
                raise UncopyableError(f"it imports {one.package}")

    def _use_annotation(
        self, annotation: ast.expr, module: str, edits: SourceEdits, known: Collection[str]
    ) -> None:
        """Add the imports of a type, or write `Any` for a type that would have to be copied."""
        names = [node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)]
        unknown = [name for name in names if name not in known]
        if any(self._is_copied(module, name) for name in unknown):
            edits.replace(annotation, "Any")
            self.add_import(_ANY)
            return
        for name in unknown:
            self.add(module, name)

    def _is_copied(self, module: str, name: str) -> bool:
        binding = bindings_of(module).get(name)
        if binding is None:
            return False
        return binding.imported is None or binding.imported.package in self._packages


@functools.cache
def bindings_of(module: str) -> Mapping[str, Binding]:
    """Return top-level name -> binding of a module, also for names that only types use."""
    try:
        text = inspect.getsource(importlib.import_module(module))
    except (OSError, TypeError) as error:
        raise UncopyableError(f"there is no source of {module}") from error
    lines = text.splitlines(keepends=True)
    found: dict[str, Binding] = {}
    for node in _statements(ast.parse(text).body):
        for name, binding in _bindings(node, module, lines):
            is_again = found.get(name, binding) != binding
            found[name] = Binding(is_again=True) if is_again else binding
    return found


def _bindings(node: ast.stmt, module: str, lines: list[str]) -> Iterator[tuple[str, Binding]]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        for one in imported_names(node, module):
            yield one.binds, Binding(imported=one)
        return
    decorators = getattr(node, "decorator_list", ())
    first = min([node.lineno, *(one.lineno for one in decorators)])
    source = textwrap.dedent("".join(lines[first - 1 : node.end_lineno])).rstrip()
    for name in _bound(node):
        yield name, Binding(source)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, including those under conditions."""
    for node in body:
        match node:
            case ast.If():
                yield from _statements([*node.body, *node.orelse])
            case ast.Try():
                yield from _statements(node.body)
            case _:
                yield node


def _bound(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [one.id for one in targets if isinstance(one, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _global_names(source: str) -> frozenset[str]:
    """Return the global names that code reads when it runs, without the names of annotations."""
    postponed = f"from __future__ import annotations\n{source}"
    return frozenset(_read(symtable.symtable(postponed, "<copied>", "exec")))


def _read(table: symtable.SymbolTable) -> Iterator[str]:
    is_module = table.get_type() == "module"
    for symbol in table.get_symbols():
        is_own = is_module and symbol.is_assigned()
        if symbol.is_referenced() and (symbol.is_global() or is_module) and not is_own:
            yield symbol.get_name()
    for child in table.get_children():
        yield from _read(child)


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the outermost annotations."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(annotation=ast.expr() as found):
                yield found
            case ast.AnnAssign(annotation=found):
                yield found
            case ast.FunctionDef(returns=ast.expr() as found):
                yield found
