"""The lines of one process, on disk as soon as they are known: killing it loses none of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from harness.errors import UsageError
from harness.records import CellId, Outcome, Record, Started, dump_line, parse_line


class Journal:
    """Appends and flushes lines; `lines` of the cell at hand are also kept, for its report."""

    def __init__(self, path: Path, process: str) -> None:
        self._process = process
        self._lines: list[str] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("a", encoding="utf-8")

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines since the last `start`."""
        return tuple(self._lines)

    def start(self, cell: CellId) -> None:
        """Say that this process begins with a cell, so that its death there can be told."""
        self._lines.clear()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._append(dump_line(Started(cell=cell, process=self._process, time=now)))

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
        self._stream.close()

    def _append(self, text: str) -> None:
        self._lines.append(text)
        self._stream.write(text + "\n")
        self._stream.flush()


def _without_values(record: Record, error: Exception) -> Record:
    return Record(
        cell=record.cell,
        requirement=record.requirement,
        outcome=Outcome.ERRORED,
        message=f"{record.requirement}: its record cannot be written ({error}) "
        f"[{record.cell}]; this is a defect of the harness, report it",
    )
