"""Writes the run file, which has the lines of all processes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import filelock

from harness.errors import UsageError
from harness.files import write_atomically
from harness.isolation.journal import Journal
from harness.isolation.limits import show_size
from harness.matrix.expectations import Expectations
from harness.pytest_plugin.resuming import ResumedRun
from harness.records import (
    JOURNALS,
    RUN_FILE,
    SCRATCH,
    CellId,
    CellReport,
    Footer,
    Header,
    JournalReader,
    JournalText,
    Line,
    Record,
    dump_line,
    reports_of,
)

LOCK = ".lock"
JUDGES_LOG = "judges.log"
NEEDED_SPACE = 64 << 20


class RunFile:
    """The run file in `directory`, with each line of the journals once, and of the controller.

    `journals` is the folder of the journals of this session, `run folder/journals/session`.

    Raises OSError if the folder cannot be written, UsageError if another run writes there.
    """

    def __init__(
        self,
        journals: Path,
        header: Header,
        expectations: Expectations,
        *,
        resumed: ResumedRun | None = None,
    ) -> None:
        self.directory = directory = journals.parents[1]
        self.header = header
        self.records: dict[tuple[str, str], Record] = {}
        self.started: set[str] = set()
        directory.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(directory)
        if resumed is not None:
            _reset_for_resume(resumed)
            self.records = dict(resumed.run.records)
            self.started = {str(line.cell) for line in resumed.run.started}
        self._journals = journals
        self._reader = JournalReader(journals)
        is_new = resumed is None
        self._lines = Journal(directory / RUN_FILE, "main", expectations, is_new=is_new)
        if is_new:
            self._lines.append(dump_line(header))
        journals.mkdir(parents=True)  # workers that find it share this folder

    @property
    def planned(self) -> dict[CellId, list[str]]:
        return {CellId.parse(cell): list(names) for cell, names in self.header.planned.items()}

    def merge_journals(self, received: Iterable[JournalText] = ()) -> None:
        """Append the new lines of all journals; of two records of a pair, the first counts.

        `received` are journals of a machine without the run folder; they are put there first.
        """
        for name, text in received:
            with (self._journals / Path(name).name).open("a", encoding="utf-8") as stream:
                stream.write(text)
        for line in self._reader.lines():
            if isinstance(line, Record):
                pair = (str(line.cell), line.requirement)
                is_new = self.records.setdefault(pair, line) is line
            else:
                is_new = str(line.cell) not in self.started
                self.started.add(str(line.cell))
            if is_new:
                self._lines.append(dump_line(line))

    def record_all(self, records: Iterable[Record]) -> None:
        """Append the controller's own records, of pairs that have none."""
        for record in records:
            written = self._lines.record(record)
            self.records[str(written.cell), written.requirement] = written

    def missing(self, cell: CellId) -> list[str]:
        """Return the planned requirements of a cell that have no record yet."""
        planned = self.header.planned.get(str(cell), [])
        return [name for name in planned if (str(cell), name) not in self.records]

    def report(self, cell: CellId) -> CellReport:
        """Return the records of a cell, in planned order."""
        keys = [(str(cell), name) for name in self.header.planned[str(cell)]]
        return CellReport(cell, tuple(self.records[key] for key in keys if key in self.records))

    def reports(self) -> list[CellReport]:
        """Return one report per planned cell, in planned order; a missing record is `not_run`."""
        return reports_of(self.header, self.records)

    def log_notice(self, text: str) -> None:
        """Append a notice about a judge process to the judges log."""
        with (self.directory / JUDGES_LOG).open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")

    def finish(self, footer: Footer) -> None:
        """Write the footer, and remove the journals, whose lines are all in the run file."""
        self._lines.append(dump_line(footer))
        self.close()
        for folder in (JOURNALS, SCRATCH):
            shutil.rmtree(self.directory / folder, ignore_errors=True)

    def close(self) -> None:
        """Release the folder. A run without a footer counts as interrupted."""
        self._lines.close()
        self._lock.release()
        (self.directory / LOCK).unlink(missing_ok=True)


def require_space(directory: Path, *, needed: int = NEEDED_SPACE) -> None:
    """Raise UsageError if the disk of the run folder is almost full. The folder need not exist."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise UsageError(
            f"run folder {directory}: {show_size(free)} are free on its disk, a run needs "
            f"{show_size(needed)}; make room, or choose another folder with --run-dir"
        )


def _lock(directory: Path) -> filelock.BaseFileLock:
    lock = filelock.FileLock(directory / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise UsageError(
            f"run folder {directory}: another pytest run writes there; wait for it or stop it"
        ) from None
    return lock


def _reset_for_resume(resumed: ResumedRun) -> None:
    """Rewrite the run file with the header and records of the resumed run, and remove journals.

    The records include lines that only the journals had.
    """
    run, directory = resumed.run, resumed.directory
    lines: list[Line] = [run.header, *run.started, *run.records.values()]
    write_atomically(directory / RUN_FILE, "".join(f"{dump_line(line)}\n" for line in lines))
    for folder in (JOURNALS, SCRATCH):
        shutil.rmtree(directory / folder, ignore_errors=True)
