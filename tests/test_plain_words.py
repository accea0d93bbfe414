"""The lint of phrases: it finds each, with the place, and leaves plain sentences alone."""

from __future__ import annotations

import pytest

from tests import plain_words
from tests.plain_words import PHRASES, read_files, stumbles

REFUSED = [
    "A run that cannot be gone on with.",
    "`judge` is the one that is none.",
    "A file of theirs, not of ours.",
    "It lets go of the folder.",
    "A child that nobody minds losing.",
    "The rule by which cells are chosen.",
    "It returns what it has.",
    "Those of a model.",
    "0 where there is none.",
    "None where that is everybody.",
    "What a worker is told.",
    "Whoever calls it; whoever reads it.",
]


@pytest.mark.parametrize("line", REFUSED)
def test_a_phrase_is_found_with_its_place(line: str) -> None:
    found = list(stumbles("a.py", f"A plain line.\n{line}\n"))
    assert found
    assert {(one.path, one.line) for one in found} == {("a.py", 2)}


def test_plain_sentences_pass() -> None:
    text = "Return None if no cell is left.\nif value is None:\n    those = [1]\nnone is left\n"
    assert list(stumbles("a.py", text)) == []


def test_each_phrase_is_refused_by_a_line_above() -> None:
    found = {phrase for phrase in PHRASES for line in REFUSED if _has(phrase, line)}
    assert len(found) >= len(PHRASES) - 3


def _has(phrase: str, line: str) -> bool:
    return any(True for one in stumbles("a.py", line) if PHRASES[phrase] == one.instead)


def test_the_lint_reads_code_documents_and_page_texts() -> None:
    names = {name for name, _ in read_files(plain_words.ROOT)}
    assert {"README.md", "harness/judge/ladder.py"} <= names
    assert any(name.endswith(".j2") for name in names)
    assert not any(name.startswith("harness/configs/") for name in names)
