"""What a file means: formatting, comments and docstrings do not count."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import PurePath


def meaning_of(path: PurePath, content: bytes) -> object:
    """What may be compared in place of `content`, by the suffix of `path`; itself for other files.

    Raises ValueError or SyntaxError where it is not what its suffix says.
    """
    meaning = _MEANINGS.get(path.suffix)
    return content if meaning is None else meaning(content.decode())


def syntax_tree(text: str) -> ast.Module:
    """The syntax tree without docstrings; positions and comments are not in its dump."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [line for line in node.body if not _is_text(line)]
    return tree


def _python(text: str) -> str:
    return ast.dump(syntax_tree(text))


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _data(parsed: object) -> str:
    """As text, since Python has 1, 1.0 and true for equal."""
    return json.dumps(parsed, sort_keys=True, default=repr)


def _lines(text: str) -> list[str]:
    stated = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in stated if line]


_MEANINGS: Mapping[str, Callable[[str], object]] = {
    ".py": _python,
    ".json": lambda text: _data(json.loads(text)),
    ".toml": lambda text: _data(tomllib.loads(text)),
    ".txt": _lines,
}
