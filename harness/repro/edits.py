"""Edit source by the places of its syntax tree, so that all other characters stay."""

from __future__ import annotations

import ast


class SourceEdits:
    """Collects edits of a text; `ast` counts its columns in bytes of UTF-8."""

    def __init__(self, source: str) -> None:
        self._lines = source.encode().splitlines(keepends=True)
        self._tree = ast.parse(source)
        self._edits: list[tuple[int, int, bytes]] = []

    def replace(self, node: ast.expr | ast.stmt, text: str) -> None:
        """Write `text` in place of a node."""
        start = self._offset(node.lineno, node.col_offset)
        end = self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        self._edits.append((start, end, text.encode()))

    def remove(self, node: ast.stmt) -> None:
        """Remove the lines of a statement, and the empty line after it if there is one before."""
        if self._is_alone(node):
            self.replace(node, "pass")
            return
        last = node.end_lineno or node.lineno
        if not self._line(node.lineno - 1).strip() and not self._line(last + 1).strip():
            last += 1
        self._edits.append((self._offset(node.lineno, 0), self._offset(last + 1, 0), b""))

    def applied(self) -> str:
        """Return the text with all edits."""
        text = b"".join(self._lines)
        for start, end, new in sorted(self._edits, reverse=True):
            text = text[:start] + new + text[end:]
        return text.decode()

    def _is_alone(self, node: ast.stmt) -> bool:
        blocks = (
            getattr(owner, name, None)
            for owner in ast.walk(self._tree)
            for name in ("body", "orelse", "finalbody")
        )
        places = [(b[0].lineno, len(b)) for b in blocks if isinstance(b, list) and b]
        return (node.lineno, 1) in places

    def _line(self, number: int) -> bytes:
        return self._lines[number - 1] if 0 < number <= len(self._lines) else b""

    def _offset(self, line: int, column: int) -> int:
        return sum(map(len, self._lines[: line - 1])) + column
