"""How far a run is and how long it will take, in lines that make sense in a log read later."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Container
from typing import Any

import pytest

from harness.matrix.durations import Durations
from harness.records import CellId

STEP_SHARE, STEP_SECONDS = 0.05, 60.0
"""A line for every such part of the planned work, whichever is more: twenty lines at most."""

TRUSTED_SECONDS = 60.0
"""So long past durations weigh as much as what was measured in this run."""


def seconds_left(*, left: float, done: float, elapsed: float, workers: int) -> float:
    """Wall-clock seconds for `left` more seconds of past durations, `done` took `elapsed`.

    The speed, past seconds done per second, starts as one for each worker, as if past durations
    held here, and becomes the measured one: what else takes time and who else uses the machine
    are in it.
    """
    speed = (done + TRUSTED_SECONDS * workers) / (elapsed + TRUSTED_SECONDS)
    return left / speed


def in_words(seconds: float) -> str:
    """`about 18 min`, no more exact than it can be."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 120:
        return f"about {minutes} min"
    return f"about {minutes / 60:.1f} h"


def worker_count(config: pytest.Config) -> int:
    """How many processes judge cells."""
    if not config.pluginmanager.has_plugin("dsession"):
        return 1
    from xdist.workermanage import parse_tx_spec_config

    return len(parse_tx_spec_config(config))


class Progress:
    """Counts the cells that ended; `line` is what to say about that, now and then.

    Cells that are `free` take no time: they are reused.
    """

    def __init__(
        self,
        planned: Collection[CellId],
        durations: Durations,
        *,
        workers: int,
        free: Container[CellId] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._planned = {c: 0.0 if c in free else durations.of(c) for c in planned}
        self._workers = workers
        self._clock = clock
        self._began = clock()
        self._ended: set[CellId] = set()
        self._bad: set[CellId] = set()
        self._total = sum(self._planned.values())
        self._step = max(STEP_SHARE * self._total, STEP_SECONDS)
        self._next = self._step

    def end(self, cell: CellId, *, as_expected: bool) -> None:
        """Count a cell that ended, once."""
        if cell in self._planned:
            self._ended.add(cell)
        if not as_expected:
            self._bad.add(cell)

    def line(self) -> str | None:
        """What to say now; None until enough has been done since, and when all is."""
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
            f"{len(self._bad)} not as expected, {in_words(left)} left"
        )


class ProgressLines:
    """Writes the lines of a run to its terminal; `-q` keeps it silent."""

    def __init__(self, progress: Progress, config: pytest.Config) -> None:
        self._progress = progress
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._writer = config.get_terminal_writer()
        self._is_silent = config.option.verbose < 0 or self._terminal is None

    def end(self, cell: CellId, *, as_expected: bool) -> None:
        """Count a cell that ended, and say so if it is time."""
        self._progress.end(cell, as_expected=as_expected)
        line = self._progress.line()
        if line and not self._is_silent:
            self._terminal.ensure_newline()
            if self._writer.width_of_current_line:  # after dots of workers
                self._writer.line()
            self._terminal.write_line(line)
