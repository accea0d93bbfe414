"""Progress of a command on stderr: a bar if that is a terminal, else a line every few seconds."""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TextIO

import typer

from harness.judge.observer import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

LINE_SECONDS = 5.0
"""At most one line in this time, and none before: bad input that is found at once is one line."""
LEAST_SHARE = 0.05
"""No estimate before this share is done: the first requirements take long and run no example."""


class ProgressDisplay(ABC):
    """Shows progress. Call `tick` several times a second, so that the latest state is shown."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: float | None = None
        self._latest: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Take the new state."""
        if self._began is None and progress.total:
            self._began = self._clock()
        self._latest = progress
        self.tick()

    @abstractmethod
    def tick(self) -> None:
        """Show the latest state if it is time."""

    def _estimate(self) -> str:
        """Return about how long the rest takes, as text; empty while too little is done."""
        if self._latest is None or self._began is None:
            return ""
        done, total = self._latest.done, self._latest.total
        if done < LEAST_SHARE * total:
            return ""
        return f", about {_duration((self._clock() - self._began) * (total - done) / done)} left"


class Silent(ProgressDisplay):
    """Shows nothing."""

    def tick(self) -> None:
        return


class Lines(ProgressDisplay):
    """Writes whole lines, so that a log can be read later."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._stream = stream
        self._shown: Progress | None = None
        self._next = clock() + LINE_SECONDS

    def tick(self) -> None:
        if self._latest is None or self._latest == self._shown or self._clock() < self._next:
            return
        typer.echo(f"{self._latest}{self._estimate()}", file=self._stream)
        self._shown, self._next = self._latest, self._clock() + LINE_SECONDS


class Bar(ProgressDisplay):
    """Draws one line on a terminal again and again, and removes it at the end."""

    def __init__(self, bar: RichProgress) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def tick(self) -> None:
        if (latest := self._latest) is not None:
            self._bar.update(
                self._task,
                description=f"{latest}{self._estimate()}",
                completed=latest.done,
                total=latest.total or None,
            )


@contextlib.contextmanager
def progress_display(stream: TextIO, *, quiet: bool) -> Iterator[ProgressDisplay]:
    """Yield a display on `stream`: none if `quiet`, a bar on a terminal, else lines."""
    if quiet:
        yield Silent()
    elif stream.isatty():
        with _rich_bar(stream) as bar:
            yield Bar(bar)
    else:
        yield Lines(stream)


def _rich_bar(stream: TextIO) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=Console(file=stream), transient=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
