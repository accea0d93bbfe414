"""Judging for `check` and `export`: in a child process with limits, with progress on stderr."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import Annotated, TextIO

import psutil
import typer

from harness.cli.output import INTERRUPTED, write_report
from harness.cli.progress import progress_display
from harness.errors import UsageError
from harness.isolation.file_judge import InterruptedJudgingError, judge_files
from harness.isolation.file_request import FileRequest
from harness.isolation.limits import Limits, parse_seconds, parse_size
from harness.records import CellReport

SECONDS = 3600.0
SHARE_OF_FREE_MEMORY = 0.9
_SECONDS_IN = {"s": 1, "m": 60, "h": 3600}

CellTimeout = Annotated[
    str | None,
    typer.Option(
        "--cell-timeout", metavar="SECONDS", help=f"Time limit; default {SECONDS:g} seconds."
    ),
]
CellMemory = Annotated[
    str | None,
    typer.Option(
        "--cell-memory",
        metavar="SIZE",
        help="Memory limit, such as 512M or 4G; default: nine tenths of the free memory.",
    ),
]
MaxExamples = Annotated[
    int | None,
    typer.Option(
        "--max-examples",
        min=1,
        metavar="N",
        help="Examples to draw in addition to the corners, instead of the profile's number.",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="Time for examples, such as 90s or 5m; default: 240 s below 20 million "
        "parameters, else 30 s, and 1.2 s for each million beyond 100 million, at most 480 s.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


def make_limits(cell_timeout: str | None, cell_memory: str | None) -> Limits:
    """Return the limits of the judging process; raises UsageError if a text cannot be read."""
    seconds, memory = SECONDS, int(psutil.virtual_memory().available * SHARE_OF_FREE_MEMORY)
    if cell_timeout is not None:
        seconds = parse_seconds(cell_timeout, subject="--cell-timeout")
    if cell_memory is not None:
        memory = parse_size(cell_memory, subject="--cell-memory")
    return Limits(seconds=seconds, memory=memory)


def parse_budget(text: str | None) -> float | None:
    """Parse `90`, `90s`, `5m` or `1h` to seconds; raises UsageError if it is not a time above 0."""
    if text is None:
        return None
    unit = _SECONDS_IN.get(text[-1:].lower())
    number = text if unit is None else text[:-1]
    try:
        return parse_seconds(number, subject="--budget") * (unit or 1)
    except UsageError:
        raise UsageError(f"--budget {text!r}: not a time above 0; write 90s or 5m") from None


def judge_and_write(
    request: FileRequest, limits: Limits, stdout: TextIO, *, as_json: bool, quiet: bool
) -> int:
    """Judge files in a child process, print the verdict and return the exit status for it.

    An interrupt prints what was found until then.
    """
    try:
        with interrupted_by_sigterm():
            report = judge_with_progress(request, limits=limits, quiet=quiet)
    except InterruptedJudgingError as stopped:
        write_report(stopped.report, stdout, as_json=as_json)
        return INTERRUPTED
    return write_report(report, stdout, as_json=as_json)


def judge_with_progress(request: FileRequest, *, limits: Limits, quiet: bool) -> CellReport:
    """Judge files in a child process, and show the progress on stderr; raises as `judge_files`."""
    with progress_display(sys.stderr, quiet=quiet) as display:
        return judge_files(request, limits, on_progress=display.show, on_tick=display.tick)


@contextlib.contextmanager
def interrupted_by_sigterm() -> Iterator[None]:
    """Treat SIGTERM as an interrupt within the block: time limits of other programs send it."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
