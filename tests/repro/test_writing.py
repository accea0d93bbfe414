"""A script is written only if it gives the same result as the harness."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import pytest

from harness.errors import UsageError
from harness.repro.script import ScriptCase
from harness.repro.trial import (
    ScriptCandidates,
    ScriptRun,
    WrittenScript,
    first_matching_script,
    run_script,
)
from tests.repro.script_cases import cases

HOLDS, SHOWS, BROKEN, KILLED, HANGS = 0, 1, 2, -11, None


@pytest.fixture(scope="module")
def case() -> ScriptCase:
    (one,) = cases("bert", "fill-mask")
    return one


class Interpreter:
    """Ends the scripts it is given with the next of some statuses, and keeps their texts."""

    def __init__(self, statuses: Sequence[int | None]) -> None:
        self._statuses = iter(statuses)
        self.scripts: list[str] = []

    def __call__(self, script: str) -> ScriptRun:
        self.scripts.append(script)
        return ScriptRun(next(self._statuses), "printed", "the last line")


def choose(
    case: ScriptCase,
    interpreter: Interpreter,
    is_failing: bool | None,
    requirement: str = "agreement",
) -> WrittenScript:
    """Choose among the scripts of three parts."""
    candidates = [
        dataclasses.replace(case, part=part, requirement=requirement) for part in ("p0", "p1", "p2")
    ]
    return first_matching_script(ScriptCandidates(candidates, is_failing), interpreter)


@pytest.mark.parametrize(
    ("statuses", "is_failing", "part", "shows", "count"),
    [
        ([SHOWS], True, "p0", True, 1),
        ([HOLDS, SHOWS], True, "p1", True, 2),
        ([BROKEN, SHOWS], True, "p1", True, 2),
        ([HOLDS], False, "p0", False, 1),
        ([HOLDS, HOLDS, HOLDS], None, "p0", False, 3),
        ([HOLDS, SHOWS], None, "p1", True, 2),
    ],
)
def test_the_first_script_with_the_result_of_the_harness_is_written(
    case: ScriptCase,
    statuses: list[int | None],
    is_failing: bool | None,
    part: str,
    shows: bool,
    count: int,
) -> None:
    interpreter = Interpreter(statuses)
    written = choose(case, interpreter, is_failing)
    assert (written.case.part, written.shows, written.printed) == (part, shows, "printed")
    assert len(interpreter.scripts) == count
    assert f", part p{count - 1}: agreement" in interpreter.scripts[-1].splitlines()[0]


@pytest.mark.parametrize(
    ("statuses", "is_failing", "why"),
    [
        ([HOLDS, HOLDS, HOLDS], True, "the script finds no defect"),
        ([SHOWS], False, "the script reproduces a defect"),
        ([BROKEN, BROKEN, BROKEN], True, "the last line"),
        ([BROKEN], False, "the last line"),
        ([BROKEN, HOLDS, HOLDS], None, "the last line"),
        ([KILLED, KILLED, KILLED], True, "the last line"),
        ([HANGS, HANGS, HANGS], True, "the last line"),
    ],
)
def test_a_script_with_another_result_is_refused(
    case: ScriptCase, statuses: list[int | None], is_failing: bool | None, why: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(f"({why}); use python -m harness replay")):
        choose(case, Interpreter(statuses), is_failing)


@pytest.mark.parametrize("status", [KILLED, HANGS])
def test_an_export_that_does_not_come_back_shows(case: ScriptCase, status: int | None) -> None:
    written = choose(case, Interpreter([HOLDS, status]), None, "export")
    assert (written.case.part, written.shows) == ("p1", True)


def test_a_script_is_run_without_the_harness() -> None:
    result = run_script(
        "import os, sys\n"
        "print(os.listdir('.'), sys.flags.isolated)\n"
        "print('to stderr', file=sys.stderr)\n"
        "sys.exit(1)\n"
    )
    assert result == ScriptRun(1, "['repro.py'] 1\n", "to stderr")


@pytest.mark.parametrize("line", ["import harness", "import harness.records", "1 / 0"])
def test_a_script_that_raises_an_exception_shows_nothing(case: ScriptCase, line: str) -> None:
    result = run_script(f"{line}\n")
    assert result.status == 2
    assert "Error" in result.last_error
    assert not result.shows(case)


@pytest.mark.full
def test_a_real_script_that_holds_is_written(case: ScriptCase) -> None:
    written = first_matching_script(ScriptCandidates([case], is_failing=False))
    assert not written.shows
    assert written.printed
