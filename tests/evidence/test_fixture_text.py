"""The text of a tiny model's file after one of its members was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.configs.atol import ATOL
from harness.configs.plugins import fixture_directories
from harness.evidence.fixture_text import with_member

FILES = sorted((fixture_directories()[-1] / "models").glob("*.json"))

ONE_LINE = '{"config": {"atol": [1, {"b": "}"}]}, "perturbation": {}}\n'
SPREAD = """{
  "perturbation"  : {"seed": 5},
  "atol": {
      "fill-mask": 1e-5
  },
  "config": {"model_type": "a,b: c"}
}"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_committed_file_is_written_as_it_is_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if ATOL in json.loads(text):
        assert with_member(text, ATOL, json.loads(text)[ATOL]) == text


def test_a_missing_member_becomes_the_last() -> None:
    text = with_member(ONE_LINE, "atol", {"fill-mask": 1e-5})
    assert text == ONE_LINE.replace("{}}", '{},\n  "atol": {"fill-mask": 1e-05}}')


def test_only_the_member_changes() -> None:
    text = with_member(SPREAD, "atol", {"fill-mask": 2e-5})
    before, _, after = SPREAD.partition('{\n      "fill-mask": 1e-5\n  }')
    assert text == f'{before}{{"fill-mask": 2e-05}}{after}'


def test_many_entries_stand_in_lines_of_up_to_100_columns() -> None:
    value = {f"a-long-task-{number}": 1e-5 for number in range(9)}
    text = with_member(SPREAD, "atol", value)
    assert json.loads(text)["atol"] == value
    assert max(map(len, text.splitlines())) <= 100
