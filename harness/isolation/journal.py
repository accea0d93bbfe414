"""The journal of one process: its lines are on disk at once, so killing it loses none of them."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UsageError
from harness.matrix.expectations import Expectations
from harness.records import CellId, Outcome, Record, Started, dump_line, parse_line


def journal_path(directory: Path, process: str) -> Path:
    """Return a path in `directory` that no other process uses, or used earlier in this run."""
    return directory / f"{process}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"


class Journal:
    """Appends lines to `path` in an existing folder; a new file, unless `is_new` is false.

    `process` is the name in `started` lines. Methods raise OSError if the line cannot be written,
    for example because the disk is full or another run has removed the folder.
    """

    def __init__(
        self, path: Path, process: str, expectations: Expectations, *, is_new: bool = True
    ) -> None:
        self._process = process
        self._expectations = expectations
        # Unbuffered: if a write fails, no text stays in a buffer to be written later.
        self._stream = path.open("xb" if is_new else "ab", buffering=0)

    def start(self, cell: CellId) -> None:
        """Write that this process begins a cell; readers use it to report a crash in that cell."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.append(dump_line(Started(cell=cell, process=self._process, time=now)))

    def record(self, record: Record) -> Record:
        """Apply the expectations to a record, write it and return it.

        If its line could not be read back, an `errored` record is written and returned instead: one
        unreadable line would make the whole run unreadable.
        """
        applied = self._expectations.apply(record)
        try:
            text = dump_line(applied)
            parse_line(text, source="record")
        except (TypeError, ValueError, UsageError) as error:
            return self.record(_unwritable_record(record, error))
        self.append(text)
        return applied

    def append(self, text: str) -> None:
        """Write a line as it is; it is written when this returns."""
        rest = memoryview(f"{text}\n".encode())
        while rest:
            rest = rest[self._stream.write(rest) or 0 :]

    def close(self) -> None:
        self._stream.close()


def _unwritable_record(record: Record, error: Exception) -> Record:
    return Record(
        cell=record.cell,
        requirement=record.requirement,
        outcome=Outcome.ERRORED,
        message=f"{record.requirement}: its record cannot be written ({error}) "
        f"[{record.cell}]; this is a defect of the harness, report it",
    )
