"""Progress lines of a run: how many cells ended, and how long the rest will take.

They are whole lines, not a bar, so that a log can be read later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Container
from typing import Any

import pytest

from harness.matrix.durations import Durations
from harness.records import CellId

STEP_SHARE, STEP_SECONDS = 0.05, 60.0
"""A line is due after this share, or these seconds, of planned work; the larger of the two."""

TRUSTED_SECONDS = 60.0
"""Weight of past durations in the estimate: they count like this many seconds of this run."""


def seconds_left(*, left: float, done: float, elapsed: float, workers: int) -> float:
    """Estimate the wall-clock seconds that a run still needs.

    `left` and `done` are past durations of the cells that are left and that ended, `elapsed` the
    wall-clock seconds so far. The assumed speed, in past seconds done per second, starts at one
    per worker and approaches the measured speed, which includes overheads and the load of the
    machine.
    """
    speed = (done + TRUSTED_SECONDS * workers) / (elapsed + TRUSTED_SECONDS)
    return left / speed


def format_estimate(seconds: float) -> str:
    """Return rounded words for seconds, such as `about 18 min`."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"about {minutes} min"
    return f"about {minutes / 60:.1f} h"


def worker_count(config: pytest.Config) -> int:
    """Return how many processes judge cells."""
    if not config.pluginmanager.has_plugin("dsession"):
        return 1
    from xdist.workermanage import parse_tx_spec_config

    return len(parse_tx_spec_config(config))


class Progress:
    """Counts the cells that ended, and makes a progress line now and then.

    `reused` cells count as cells that take no time.
    """

    def __init__(
        self,
        planned: Collection[CellId],
        durations: Durations,
        *,
        workers: int,
        reused: Container[CellId] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._planned = {c: 0.0 if c in reused else durations.of(c) for c in planned}
        self._workers = workers
        self._clock = clock
        self._began = clock()
        self._ended: set[CellId] = set()
        self._bad: set[CellId] = set()
        self._total = sum(self._planned.values())
        self._step = max(STEP_SHARE * self._total, STEP_SECONDS)
        self._next = self._step

    def end(self, cell: CellId, *, as_expected: bool) -> None:
        """Count a cell that ended; a second call for it changes no count of ended cells."""
        if cell in self._planned:
            self._ended.add(cell)
        if not as_expected:
            self._bad.add(cell)

    def line(self) -> str | None:
        """Return a progress line, or None if the next one is not due or all cells ended."""
        done = sum(self._planned[cell] for cell in self._ended)
        if done < self._next or len(self._ended) == len(self._planned):
            return None
        self._next = (done // self._step + 1) * self._step
        left = seconds_left(
            left=self._total - done,
            done=done,
            elapsed=self._clock() - self._began,
            workers=self._workers,
        )
        return (
            f"conformance: {len(self._ended)} of {len(self._planned)} cells, "
            f"{len(self._bad)} not as expected, {format_estimate(left)} left"
        )


class ProgressLines:
    """Writes progress lines to the terminal, unless pytest runs with `-q`."""

    def __init__(self, progress: Progress, config: pytest.Config) -> None:
        self._progress = progress
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._writer = config.get_terminal_writer()
        self._is_silent = config.option.verbose < 0 or self._terminal is None

    def end(self, cell: CellId, *, as_expected: bool) -> None:
        """Count a cell that ended, and print a line if the last one is old enough."""
        self._progress.end(cell, as_expected=as_expected)
        line = self._progress.line()
        if line and not self._is_silent:
            self._terminal.ensure_newline()
            if self._writer.width_of_current_line:  # pytest wrote dots on this line
                self._writer.line()
            self._terminal.write_line(line)
