"""Edits change nothing else of a source."""

from __future__ import annotations

import ast

import pytest

from harness.repro.edits import SourceEdits


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n    import a\n    return 1  # é\n", "def f():\n    return 1  # é\n"),
        ('def f():\n    "d"\n\n    import a\n\n    g()\n', 'def f():\n    "d"\n\n    g()\n'),
        ("def f():\n    import a\n\n    g()\n", "def f():\n\n    g()\n"),
        ("def f():\n    from a import (\n        b,\n    )\n    g()\n", "def f():\n    g()\n"),
        ("if x:\n    import a\n", "if x:\n    pass\n"),
        ("try:\n    f()\nfinally:\n    import a\n", "try:\n    f()\nfinally:\n    pass\n"),
    ],
)
def test_an_import_is_removed(source: str, expected: str) -> None:
    edits = SourceEdits(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            edits.remove(node)
    assert edits.applied() == expected


def test_several_annotations_are_replaced_after_other_alphabets() -> None:
    source = 'def f(a: A = "é→", b: B = "é") -> C: ...\n'
    edits = SourceEdits(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg) and node.annotation is not None:
            edits.replace(node.annotation, "Any")
    assert edits.applied() == 'def f(a: Any = "é→", b: Any = "é") -> C: ...\n'
