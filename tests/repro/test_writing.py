"""A script is written only if it gives the same result as the harness."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import UsageError
from harness.records import CellId
from harness.repro import writing
from harness.repro.writing import (
    _first_matching_script,
    _run_script,
    _ScriptCases,
    _ScriptRun,
)

CELL = CellId.parse("bert/fill-mask/opset18/dynamo")
HOLDS, SHOWS, BROKEN, KILLED, HANGS = 0, 1, 2, -11, None


def ended(
    monkeypatch: pytest.MonkeyPatch,
    statuses: list[int | None],
    fails: bool | None,
    requirement: str = "agreement",
) -> tuple[str, bool, int]:
    """Return the part of the written script, whether it shows a defect, and how many were run."""
    cases: Any = [
        SimpleNamespace(cell=CELL, requirement=requirement, part=f"p{index}", status=status)
        for index, status in enumerate(statuses)
    ]
    run: list[Any] = []

    def run_script(case: Any) -> _ScriptRun:
        run.append(case)
        return _ScriptRun(case.status, "printed", "the last line")

    monkeypatch.setattr(writing, "script_text", lambda case: case)
    monkeypatch.setattr(writing, "_run_script", run_script)
    written = _first_matching_script(_ScriptCases(cases, fails))
    return written.case.part, written.shows, len(run)


@pytest.mark.parametrize(
    ("statuses", "fails", "expected"),
    [
        ([SHOWS], True, ("p0", True, 1)),
        ([HOLDS, SHOWS, SHOWS], True, ("p1", True, 2)),
        ([BROKEN, SHOWS], True, ("p1", True, 2)),
        ([HOLDS, SHOWS], False, ("p0", False, 1)),
        ([HOLDS, HOLDS], None, ("p0", False, 2)),
        ([HOLDS, SHOWS], None, ("p1", True, 2)),
    ],
)
def test_the_first_that_says_what_the_harness_says(
    monkeypatch: pytest.MonkeyPatch,
    statuses: list[int | None],
    fails: bool | None,
    expected: tuple[str, bool, int],
) -> None:
    assert ended(monkeypatch, statuses, fails) == expected


@pytest.mark.parametrize(
    ("statuses", "fails", "why"),
    [
        ([HOLDS, HOLDS], True, "the script finds no defect"),
        ([SHOWS], False, "the script reproduces a defect"),
        ([BROKEN], True, "the last line"),
        ([BROKEN], False, "the last line"),
        ([BROKEN], None, "the last line"),
        ([KILLED], True, "the last line"),
        ([HANGS], True, "the last line"),
    ],
)
def test_a_script_with_another_result_is_refused(
    monkeypatch: pytest.MonkeyPatch, statuses: list[int | None], fails: bool | None, why: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(f"({why}); use python -m harness replay")):
        ended(monkeypatch, statuses, fails)


@pytest.mark.parametrize("status", [KILLED, HANGS])
def test_an_export_that_does_not_come_back_shows(
    monkeypatch: pytest.MonkeyPatch, status: int | None
) -> None:
    assert ended(monkeypatch, [HOLDS, status], None, "export") == ("p1", True, 2)


def test_a_script_is_run_without_the_harness() -> None:
    result = _run_script(
        "import os, sys\n"
        "print(os.listdir('.'), sys.flags.isolated)\n"
        "print('to stderr', file=sys.stderr)\n"
        "sys.exit(1)\n"
    )
    assert result == _ScriptRun(1, "['repro.py'] 1\n", "to stderr")
