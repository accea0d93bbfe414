"""File contents in a form to compare: without formatting, comments and docstrings."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import PurePath


def normalize_content(path: PurePath, content: bytes) -> object:
    """Return a value that is equal for contents that differ only in form, by the suffix of `path`.

    Files with other suffixes are compared byte for byte. Raises ValueError or SyntaxError if the
    content cannot be parsed as its suffix says.
    """
    normalize = _NORMALIZERS.get(path.suffix)
    return content if normalize is None else normalize(content.decode())


def syntax_tree(text: str) -> ast.Module:
    """Parse Python source, and remove docstrings; `ast.dump` leaves out positions and comments."""
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
    """As text, since 1, 1.0 and True are equal in Python."""
    return json.dumps(parsed, sort_keys=True, default=repr)


def _lines(text: str) -> list[str]:
    stated = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in stated if line]


_NORMALIZERS: Mapping[str, Callable[[str], object]] = {
    ".py": _python,
    ".json": lambda text: _data(json.loads(text)),
    ".toml": lambda text: _data(tomllib.loads(text)),
    ".txt": _lines,
}
