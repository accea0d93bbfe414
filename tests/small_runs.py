"""Runs of a few records, for tests of code that reads run files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.records import RUN_FILE, Header, Record, dump_line


def header_of(*records: Record, **fields: Any) -> Header:
    """Return a header that plans these records; `fields` replace its values."""
    planned: dict[str, list[str]] = {}
    for record in records:
        planned.setdefault(str(record.cell), []).append(record.requirement)
    values: dict[str, Any] = {
        "run": "r",
        "started": "2026-01-01T00:00:00+00:00",
        "versions": {},
        "platform": "",
        "profile": "nightly",
        "seed": 0,
        "planned": planned,
        "modalities": {},
    }
    return Header(**{**values, **fields})


def write_run(directory: Path, *records: Record) -> Path:
    """Write the directory of a run that was killed after these records; return it."""
    directory.mkdir()
    lines = [dump_line(header_of(*records)), *map(dump_line, records)]
    (directory / RUN_FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return directory
