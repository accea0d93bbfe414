"""Names with hostile characters cannot harm a terminal, a comment or a page."""

from __future__ import annotations

import pytest

from reports.text import code, one_line, table_row, visible


def test_invisible_characters_become_visible() -> None:
    assert visible("a\x1b[31m\x00\u202eb\ud800\x85\ufffe") == "a␛[31m␀<U+202E>b\ufffd\ufffd\ufffd"
    assert visible("a\n\tb é ✓") == "a\n\tb é ✓"


@pytest.mark.parametrize(("limit", "shown"), [(None, "a b c"), (5, "a b c"), (4, "a b…")])
def test_lines_are_folded_and_cut(limit: int | None, shown: str) -> None:
    assert one_line(" a\n\n b\u2028c ", limit=limit) == shown


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("plain", "`plain`"),
        ("<b>@me*", "`<b>@me*`"),
        ("a|b", "`a|b`"),
        ("a`b", "``a`b``"),
        ("a``b`c", "```a``b`c```"),
        ("`a", "`` `a ``"),
        ("a`", "`` a` ``"),
        ("a\n`b", "``a `b``"),
        (" ", ""),
    ],
)
def test_a_span_of_code_cannot_be_left(text: str, span: str) -> None:
    assert code(text) == span


def test_a_row_of_a_table_has_as_many_columns_as_texts() -> None:
    assert table_row("a", code("b|c"), "3") == "| a | `b\\|c` | 3 |"
