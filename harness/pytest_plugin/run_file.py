"""Writes the run file: the one place where the lines of all processes come together."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import filelock

from harness.errors import UsageError
from harness.files import LineFile, write_whole
from harness.isolation.limits import show_size
from harness.pytest_plugin.resuming import Resumed
from harness.records import (
    JOURNALS,
    RUN_FILE,
    SCRATCH,
    CellId,
    CellReport,
    Footer,
    Header,
    Line,
    Record,
    Started,
    dump_line,
    parse_line,
    read_run,
    reports_of,
)

LOCK = ".lock"
JUDGES_LOG = "judges.log"
NEEDED_SPACE = 64 << 20


class RunFile:
    """Appends each line once, however often reports and journals bring it.

    Raises OSError where the folder cannot be written, UsageError where another run writes there.
    """

    def __init__(self, directory: Path, header: Header, *, resumed: Resumed | None = None) -> None:
        self.directory = directory
        self.header = header
        self.records: dict[tuple[str, str], Record] = {}
        self.started: set[str] = set()
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(directory)
        if resumed is not None:
            _begin_again(resumed)
            self.records = dict(resumed.run.records)
            self.started = {str(line.cell) for line in resumed.run.started}
        (directory / JOURNALS).mkdir(exist_ok=True)
        self._lines = LineFile(directory / RUN_FILE, is_new=resumed is None)
        if resumed is None:
            self._write(header)

    @property
    def planned(self) -> dict[CellId, list[str]]:
        return {CellId.parse(cell): list(names) for cell, names in self.header.planned.items()}

    def add(self, line: Started | Record) -> None:
        """Append a line, unless it is here already."""
        if isinstance(line, Record):
            key = (str(line.cell), line.requirement)
            if key in self.records:
                return
            self.records[key] = line
        else:
            if str(line.cell) in self.started:
                return
            self.started.add(str(line.cell))
        self._write(line)

    def add_texts(self, texts: Iterable[str], *, source: str) -> None:
        """Append the lines that a report brought."""
        for text in texts:
            line = parse_line(text, source=source)
            if isinstance(line, (Started, Record)):
                self.add(line)

    def absorb_journals(self) -> None:
        """Append what only journals have: dead processes sent no report."""
        run = read_run(self.directory)
        lines: list[Started | Record] = [*run.started, *run.records.values()]
        for line in lines:
            self.add(line)

    def missing(self, cell: CellId) -> list[str]:
        """The planned requirements of a cell that have no record yet."""
        planned = self.header.planned.get(str(cell), [])
        return [name for name in planned if (str(cell), name) not in self.records]

    def report(self, cell: CellId) -> CellReport:
        """The records of a cell, in planned order."""
        keys = [(str(cell), name) for name in self.header.planned[str(cell)]]
        return CellReport(cell, tuple(self.records[key] for key in keys if key in self.records))

    def reports(self) -> list[CellReport]:
        """One report per planned cell, in planned order; a missing record reads `not_run`."""
        return reports_of(self.header, self.records)

    def note(self, text: str) -> None:
        """Keep what is to be known of a process, for whoever looks after the machine."""
        with (self.directory / JUDGES_LOG).open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")

    def finish(self, footer: Footer) -> None:
        """Write the footer; from here on, the journals say nothing new."""
        self._write(footer)
        self.close()
        for folder in (JOURNALS, SCRATCH):
            shutil.rmtree(self.directory / folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of the folder; without a footer, the run reads as interrupted."""
        self._lines.close()
        self._lock.release()
        (self.directory / LOCK).unlink(missing_ok=True)

    def _write(self, line: Line) -> None:
        self._lines.append(dump_line(line))


def require_space(directory: Path, *, needed: int = NEEDED_SPACE) -> None:
    """Raise UsageError where the disk of a folder that may not exist yet is all but full."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise UsageError(
            f"run folder {directory}: {show_size(free)} are free on its disk, a run needs "
            f"{show_size(needed)}; make room or choose another with --run-dir"
        )


def _lock(directory: Path) -> filelock.BaseFileLock:
    lock = filelock.FileLock(directory / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise UsageError(
            f"run folder {directory}: another pytest writes there; wait for it or end it"
        ) from None
    return lock


def _begin_again(resumed: Resumed) -> None:
    """Leave of the earlier run its header and what it has judged, journals included."""
    run, directory = resumed.run, resumed.directory
    lines: list[Line] = [run.header, *run.started, *run.records.values()]
    write_whole(directory / RUN_FILE, "".join(f"{dump_line(line)}\n" for line in lines))
    for folder in (JOURNALS, SCRATCH):
        shutil.rmtree(directory / folder, ignore_errors=True)
