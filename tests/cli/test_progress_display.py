"""Progress: lines at most every few seconds, a bar on a terminal, nothing if asked for."""

from __future__ import annotations

import io

import pytest

from harness.cli.progress import LINE_SECONDS, Lines, progress_display
from harness.judge.observer import Progress


def at(example: int, *, done: int) -> Progress:
    return Progress(
        stage="agreement", number=7, count=12, example=example, examples=39, done=done, total=200
    )


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines(clock: Clock) -> Lines:
    return Lines(io.StringIO(), clock)


def written(lines: Lines) -> list[str]:
    stream = lines._stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue().splitlines()


def test_the_first_line_comes_after_the_first_seconds(lines: Lines, clock: Clock) -> None:
    """So that an error that is found at once is the only line."""
    lines.show(Progress(stage="loading the model"))
    assert written(lines) == []
    clock.now = LINE_SECONDS
    lines.tick()
    assert written(lines) == ["loading the model"]


def test_lines_are_rare_and_the_latest_state_is_shown(lines: Lines, clock: Clock) -> None:
    clock.now = LINE_SECONDS
    for example in range(1, 31):
        lines.show(at(example, done=example))
        clock.now += 0.1
    assert written(lines) == ["agreement (7 of 12): example 1 of 39"], "too early to estimate"
    clock.now = 2 * LINE_SECONDS
    lines.tick()
    assert written(lines)[1:] == ["agreement (7 of 12): example 30 of 39, about 28 s left"]
    clock.now *= 3
    lines.tick()
    assert len(written(lines)) == 2, "nothing new"


def test_the_estimate_follows_from_the_examples_so_far(lines: Lines, clock: Clock) -> None:
    lines.show(at(1, done=0))
    clock.now = 60.0
    lines.show(at(20, done=50))
    assert written(lines)[-1] == "agreement (7 of 12): example 20 of 39, about 3 min 0 s left"


def test_quiet_shows_nothing() -> None:
    stream = io.StringIO()
    with progress_display(stream, quiet=True) as display:
        display.show(at(1, done=0))
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar_and_a_log_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("harness.cli.progress.LINE_SECONDS", 0.0)
    shown = {}
    for stream in (Terminal(), io.StringIO()):
        with progress_display(stream, quiet=False) as display:
            display.show(at(20, done=50))
        shown[type(stream)] = stream.getvalue()
    assert all("agreement (7 of 12): example 20 of 39" in text for text in shown.values())
    assert "\x1b[" in shown[Terminal]
    assert "\x1b[" not in shown[io.StringIO]
