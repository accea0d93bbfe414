"""The lines of one process, on disk as soon as they are known: killing it loses none of them."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UsageError
from harness.files import LineFile
from harness.records import CellId, Outcome, Record, Started, dump_line, parse_line


def journal_path(directory: Path, process: str) -> Path:
    """A file that no other process has, nor had in an earlier try at the same run."""
    return directory / f"{process}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"


class Journal:
    """Appends lines to `path`, a new file in a folder that there is; `process` is who `started`
    lines name.

    Raises OSError where the disk refuses, or the folder is gone since the run is another's now.
    """

    def __init__(self, path: Path, process: str) -> None:
        self.path = path
        self._process = process
        self._lines = LineFile(path)

    def start(self, cell: CellId) -> str:
        """Say that this process begins with a cell, so that its death there can be told."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return self._append(dump_line(Started(cell=cell, process=self._process, time=now)))

    def record(self, record: Record) -> Record:
        """Write a record; returns it, or the `errored` one in its place if no reader could read it.

        One such line would otherwise make the whole run unreadable.
        """
        try:
            text = dump_line(record)
            parse_line(text, source="record")
        except (TypeError, ValueError, UsageError) as error:
            return self.record(_without_values(record, error))
        self._append(text)
        return record

    def close(self) -> None:
        self._lines.close()

    def _append(self, text: str) -> str:
        self._lines.append(text)
        return text


def _without_values(record: Record, error: Exception) -> Record:
    return Record(
        cell=record.cell,
        requirement=record.requirement,
        outcome=Outcome.ERRORED,
        message=f"{record.requirement}: its record cannot be written ({error}) "
        f"[{record.cell}]; this is a defect of the harness, report it",
    )
