"""Progress lines of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from pytest_runs import RunPytest, rule

from harness.matrix.durations import Durations
from harness.pytest_plugin.progress import Progress, format_estimate, seconds_left
from harness.records import CellId

LINE = re.compile(
    r"^conformance: (\d+) of (\d+) cells, (\d+) not as expected, "
    r"(?:about \d+ min|less than a minute) left$",
    re.MULTILINE,
)


@dataclass
class Clock:
    """A clock with a time that tests set."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def cells(count: int) -> list[CellId]:
    return [CellId.parse(f"a/t/opset{opset}/dynamo") for opset in range(1, count + 1)]


def test_at_first_past_durations_are_believed() -> None:
    assert seconds_left(left=1200, done=0, elapsed=0, workers=1) == 1200
    assert seconds_left(left=1200, done=0, elapsed=0, workers=2) == 600


@pytest.mark.parametrize("workers", [1, 4])
def test_what_was_measured_counts_more_and_more(workers: int) -> None:
    half_as_fast = [
        seconds_left(left=1000, done=elapsed * workers / 2, elapsed=elapsed, workers=workers)
        for elapsed in (0, 60, 600, 1e9)
    ]
    assert half_as_fast == sorted(half_as_fast)
    assert half_as_fast[0] == 1000 / workers
    assert half_as_fast[-1] == pytest.approx(2000 / workers, rel=1e-3)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (29, "less than a minute"),
        (62, "about 1 min"),
        (18.2 * 60, "about 18 min"),
        (119 * 60, "about 119 min"),
        (150 * 60, "about 2.5 h"),
    ],
)
def test_an_estimate_is_no_more_exact_than_it_can_be(seconds: float, words: str) -> None:
    assert format_estimate(seconds) == words


def test_a_line_says_what_ended_and_what_is_left() -> None:
    clock = Clock(100.0)
    progress = Progress(
        cells(10), Durations.from_rows({"a/t/dynamo": 60.0}), workers=1, clock=clock
    )
    assert progress.line() is None
    clock.now += 60
    first, second, *_ = cells(10)
    progress.end(first, as_expected=True)
    line = "conformance: 1 of 10 cells, 0 not as expected, about 9 min left"
    assert progress.line() == line
    assert progress.line() is None
    clock.now += 60 + 2 * 90
    progress.end(second, as_expected=False)
    progress.end(second, as_expected=False)
    line = "conformance: 2 of 10 cells, 1 not as expected, about 16 min left"
    assert progress.line() == line


@pytest.mark.parametrize(("count", "seconds", "lines"), [(1000, 60.0, 19), (10, 30.0, 4)])
def test_there_are_few_lines(count: int, seconds: float, lines: int) -> None:
    progress = Progress(cells(count), Durations.from_rows({"a/t/dynamo": seconds}), workers=1)
    said = 0
    for cell in cells(count):
        progress.end(cell, as_expected=True)
        said += progress.line() is not None
    assert said == lines


@pytest.mark.parametrize("workers", ["0", "2"])
def test_lines_appear_on_lines_of_their_own(run_pytest: RunPytest, workers: str) -> None:
    arguments = ("--architecture", "bart,bert", "--opset", "18", "-n", workers)
    rules = [rule("failed"), rule("failed", cell="bart/question*/dynamo")]
    result = run_pytest(*arguments, rules=rules, run_dir="loud")
    found = LINE.findall(result.output)
    assert 1 <= len(found) <= 20
    ended = [int(count) for count, _, _ in found]
    assert ended == sorted(set(ended))
    assert {total for _, total, _ in found} == {str(len(result.run.header.planned))}
    assert int(found[-1][2]) <= 2
    quiet = run_pytest(*arguments, "-q", run_dir="quiet")
    assert "cells, " not in quiet.output


def test_a_crash_counts(run_pytest: RunPytest) -> None:
    arguments = ("--architecture", "bart", "--opset", "18", "-n", "1")
    longest = "bart/text2text-generation-with-past/opset18/dynamo"
    result = run_pytest(*arguments, rules=[rule("exit", cell=longest)])
    assert {bad for _, _, bad in LINE.findall(result.output)} == {"1"}
