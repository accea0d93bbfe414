"""The places in a source file where one operator, bound or condition can be changed.

A mutation is a replacement of a span of text, so that the rest of the file stays as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.Div: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True, order=True)
class Mutation:
    """Lines are counted from 1, columns (of UTF-8 bytes) from 0; the span is on one line."""

    path: str
    line: int
    start: int
    end: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.start}: -> {self.text}"

    def applied(self, source: str) -> str:
        """Return the source text with this mutation."""
        lines = source.splitlines(keepends=True)
        raw = lines[self.line - 1].encode()
        lines[self.line - 1] = (raw[: self.start] + self.text.encode() + raw[self.end :]).decode()
        return "".join(lines)


def find_mutations(root: Path, path: Path) -> list[Mutation]:
    """Return the mutations of a Python file, in the order of its text."""
    source = (root / path).read_text(encoding="utf-8")
    found = _Finder(str(path), source)
    found.visit(ast.parse(source))
    return sorted(set(found.mutations))


class _Finder(ast.NodeVisitor):
    """Collects mutations of expressions; leaves annotations and imports for types alone."""

    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._lines = [line.encode() for line in source.splitlines()]
        self.mutations: list[Mutation] = []

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        for operator, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True):
            if type(operator) in COMPARED:
                self._between(left, right, COMPARED[type(operator)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        text = "or" if isinstance(node.op, ast.And) else "and"
        for left, right in zip(node.values[:-1], node.values[1:], strict=True):
            self._between(left, right, text)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in ARITHMETIC:
            self._between(node.left, node.right, ARITHMETIC[type(node.op)])
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._add(node.lineno, node.col_offset, node.col_offset + len("not "), "")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in CALLED:
            name = node.func
            self._add(name.lineno, name.col_offset, name.end_col_offset or 0, CALLED[name.id])
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if type(node.value) is int:
            end = node.end_col_offset or 0
            self._add(node.lineno, node.col_offset, end, str(node.value + 1))

    def _negate(self, test: ast.expr) -> None:
        if test.end_lineno == test.lineno and test.end_col_offset is not None:
            raw = self._lines[test.lineno - 1][test.col_offset : test.end_col_offset].decode()
            self._add(test.lineno, test.col_offset, test.end_col_offset, f"(not ({raw}))")

    def _between(self, left: ast.expr, right: ast.expr, text: str) -> None:
        """Replace the operator between two operands that are on one line."""
        if left.end_lineno != right.lineno or left.end_col_offset is None:
            return
        between = self._lines[right.lineno - 1][left.end_col_offset : right.col_offset].decode()
        opening = len(between) - len(between.lstrip(" )"))
        closing = len(between.rstrip(" ("))
        start = left.end_col_offset + opening
        self._add(right.lineno, start, left.end_col_offset + closing, text)

    def _add(self, line: int, start: int, end: int, text: str) -> None:
        self.mutations.append(Mutation(self._path, line, start, end, text))


def python_files(root: Path, packages: tuple[str, ...]) -> Iterator[Path]:
    """Yield the engine's modules, relative to `root`, sorted; descriptions are data, left out."""
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            if "architectures" not in path.parts:
                yield path.relative_to(root)
