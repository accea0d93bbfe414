"""Writes the run file: the one place where the lines of all processes come together."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from harness.records import (
    JOURNALS,
    RUN_FILE,
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
)


class RunFile:
    """Appends each line once, however often reports and journals bring it.

    Raises OSError where the folder cannot be written or holds a run already.
    """

    def __init__(self, directory: Path, header: Header) -> None:
        self.directory = directory
        self.header = header
        self.records: dict[tuple[str, str], Record] = {}
        self.started: set[str] = set()
        (directory / JOURNALS).mkdir(parents=True, exist_ok=True)
        self._stream = (directory / RUN_FILE).open("x", encoding="utf-8")
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

    def finish(self, footer: Footer) -> None:
        """Write the footer; from here on, the journals say nothing new."""
        self._write(footer)
        self._stream.close()
        shutil.rmtree(self.directory / JOURNALS, ignore_errors=True)

    def _write(self, line: Line) -> None:
        self._stream.write(dump_line(line) + "\n")
        self._stream.flush()
