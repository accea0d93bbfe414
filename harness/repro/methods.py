"""Copy methods of an object, from its classes and from the modules of these classes.

A script has classes of the same names and in the same order, which contain only the methods that
it calls, the methods that these call, and the values that they read.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from harness.repro.copies import CopiedSource, UncopyableError
from harness.repro.imports import ImportedName

_NAMESPACE = ImportedName(module="types", name="SimpleNamespace")
_LITERALS = (bool, int, float, str, bytes, type(None), tuple, list, dict)


class CopiedMethods:
    """Collects methods of an object; what they use goes into `copies`.

    Methods raise UncopyableError if a script cannot contain one of them.
    """

    def __init__(self, subject: object, copies: CopiedSource) -> None:
        self._subject = subject
        self._classes = type(subject).__mro__
        self._copies = copies
        self._methods: dict[int, dict[str, str]] = {}
        self._values: dict[str, Any] = {}

    def add(self, name: str, start: int = 0) -> None:
        """Add a method of the first class from number `start` that defines it, and what it uses."""
        number, function = self._find(name, start)
        methods = self._methods.setdefault(number, {})
        if name in methods:
            return
        methods[name] = ""
        source, node = _parsed(function, name)
        for chain in _chains(node, _first_argument(node)):
            self._use(chain)
        for called in _calls_of_super(node):
            self.add(called, number + 1)
        module = function.__globals__["__name__"]
        alias = "" if node.name == name else f"\n\n{name} = {node.name}"
        methods[name] = self._copies.copied(source, module) + alias

    @property
    def names(self) -> list[str]:
        """The names of the classes, the one of the object last."""
        return [self._classes[number].__name__ for number in sorted(self._methods, reverse=True)]

    def classes(self) -> Iterator[str]:
        """Yield the source of the classes, each after the one that it is derived from."""
        numbers = sorted(self._methods, reverse=True)
        for number, base in zip(numbers, ["", *self.names], strict=False):
            yield self._class_text(number, base)

    def _class_text(self, number: int, base: str) -> str:
        own = self._classes[number]
        values = self._values if number == min(self._methods) else {}
        lines = [f"{name} = {value!r}" for name, value in values.items()]
        body = [
            f'"""Methods of `{own.__name__}` that change the exported model."""',
            *(["\n".join(lines)] if lines else []),
            *self._methods[number].values(),
        ]
        heading = f"class {own.__name__}({base}):" if base else f"class {own.__name__}:"
        return f"{heading}\n{textwrap.indent(chr(10).join(_spaced(body)), '    ')}"

    def _find(self, name: str, start: int) -> tuple[int, Any]:
        for number, one in enumerate(self._classes):
            if number >= start and name in vars(one):
                return number, _function(vars(one)[name], name)
        raise UncopyableError(f"no class has the method {name}, which it calls")

    def _use(self, chain: tuple[str, ...]) -> None:
        """Add the method, or the value, that a method reads of `self`, such as `config.width`."""
        name = chain[0]
        held = next((vars(one)[name] for one in self._classes if name in vars(one)), None)
        if name not in vars(self._subject) and _is_method(held):
            self.add(name, 0)
            return
        value: Any = self._subject
        fields = self._values
        for place, step in enumerate(chain):
            try:
                value = getattr(value, step)
            except AttributeError as error:
                raise UncopyableError(f"it reads self.{'.'.join(chain[: place + 1])}") from error
            if _is_literal(value):
                fields[step] = value
                return
            fields = fields.setdefault(step, _Fields())
            self._copies.add_import(_NAMESPACE)
        raise UncopyableError(
            f"it reads self.{'.'.join(chain)}, a {type(value).__name__} and no plain data"
        )


class _Fields(dict[str, Any]):
    """Values that methods read of an object."""

    def __repr__(self) -> str:
        values = (f"{name}={value!r}" for name, value in self.items())
        return f"SimpleNamespace({', '.join(values)})"


def _spaced(parts: list[str]) -> Iterator[str]:
    for index, part in enumerate(parts):
        yield part if not index else f"\n{part}"


def _is_literal(value: Any) -> bool:
    try:
        return isinstance(value, _LITERALS) and bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError):
        return False


def _is_method(held: Any) -> bool:
    return inspect.isfunction(held) or isinstance(held, (staticmethod, classmethod))


def _function(held: Any, name: str) -> Any:
    """Return the function as it is written, from what a class holds under a name."""
    if isinstance(held, property):
        held = held.fget
    elif isinstance(held, functools.cached_property):
        held = held.func
    elif isinstance(held, (staticmethod, classmethod)):
        held = held.__func__
    if not inspect.isfunction(held):
        raise UncopyableError(f"{name} is no method that is written in Python")
    return inspect.unwrap(held)


def _parsed(function: Callable[..., Any], name: str) -> tuple[str, ast.FunctionDef]:
    """Return the source of a method and its syntax tree."""
    outer = set(function.__code__.co_freevars) - {"__class__"}
    if outer:
        raise UncopyableError(f"{name} uses {min(outer)} of the function around it")
    try:
        source = textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError) as error:
        raise UncopyableError(f"there is no source of {name}") from error
    node = ast.parse(source).body[0]
    if not isinstance(node, ast.FunctionDef):
        raise UncopyableError(f"{name} is not written with def")
    return source, node


def _first_argument(node: ast.FunctionDef) -> str:
    is_static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
    arguments = [*node.args.posonlyargs, *node.args.args]
    return arguments[0].arg if arguments and not is_static else ""


def _chains(node: ast.FunctionDef, own: str) -> Iterator[tuple[str, ...]]:
    """Yield the attributes that a method reads of `self`, each with its own attributes.

    Raises UncopyableError if it uses `self` in another way.
    """
    parents = {child: parent for parent in ast.walk(node) for child in ast.iter_child_nodes(parent)}
    for found in ast.walk(node):
        if not (own and isinstance(found, ast.Name) and found.id == own):
            continue
        chain: list[str] = []
        place: ast.AST = found
        while isinstance(parent := parents[place], ast.Attribute):
            chain.append(parent.attr)
            place = parent
        if not chain or not isinstance(getattr(place, "ctx", None), ast.Load):
            raise UncopyableError(f"it uses {own} itself, of which scripts have only a part")
        yield tuple(chain)


def _calls_of_super(node: ast.FunctionDef) -> Iterator[str]:
    """Yield the attributes of `super()` that a method reads."""
    for found in ast.walk(node):
        match found:
            case ast.Attribute(attr=name, value=ast.Call(func=ast.Name(id="super"), args=[])):
                yield name
            case ast.Call(func=ast.Name(id="super"), args=[_, *_]):
                raise UncopyableError("it calls super() with arguments")
