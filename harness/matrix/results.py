"""Records of earlier runs under the fingerprint of their cell, before any expectation is applied.

A cache, and no more: what cannot be read is not there, and what cannot be written is judged again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.exporters._probe import cache_directory
from harness.files import read_json, write_whole
from harness.records import CellId, Outcome, Record, parse_line

FOLDER = "results"
FORM = 1
"""Raised whenever files of the former form would be read wrongly."""

VERDICTS = frozenset(
    {
        Outcome.PASSED,
        Outcome.FAILED,
        Outcome.INCONCLUSIVE,
        Outcome.SKIPPED,
        Outcome.NOT_APPLICABLE,
    }
)
"""How the records of a cell that is kept ended: nothing crashed or took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The records of a cell in planned order, and the name of the run that judged it."""

    run: str
    records: tuple[Record, ...]

    @classmethod
    def of(cls, run: str, records: Sequence[Record], requirements: Sequence[str]) -> Result | None:
        """None unless there is one verdict for each requirement."""
        found = {record.requirement: record for record in records}
        if len(records) != len(requirements) or set(found) != set(requirements):
            return None
        if any(record.outcome not in VERDICTS for record in records):
            return None
        return cls(run=run, records=tuple(found[name] for name in requirements))


class ResultStore:
    """A folder with one file for each fingerprint, shared by all runs of a user."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or cache_directory() / FOLDER

    def path(self, fingerprint: str) -> Path:
        return self._directory / fingerprint[:2] / f"{fingerprint}.json"

    def read(self, fingerprint: str, cell: CellId, requirements: Sequence[str]) -> Result | None:
        """What is kept of a cell; None where that is nothing, or no file of ours."""
        try:
            data = read_json(self.path(fingerprint))
            if (data["form"], data["fingerprint"]) != (FORM, fingerprint):
                return None
            records = [_read_record(item) for item in data["records"]]
            result = Result.of(_text(data["run"]), records, requirements)
        except (OSError, UsageError, KeyError, TypeError, RecursionError):
            return None
        is_of_cell = all(record.cell == cell for record in records)
        return result if is_of_cell else None

    def write(self, fingerprint: str, result: Result) -> None:
        """Keep what a cell came to, in place of what is there."""
        path = self.path(fingerprint)
        data = {
            "form": FORM,
            "fingerprint": fingerprint,
            "cell": str(result.records[0].cell) if result.records else "",
            "run": result.run,
            "records": [record.to_json() for record in result.records],
        }
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(data, allow_nan=False) + "\n")

    def remove(self, fingerprint: str) -> None:
        """Keep nothing of a cell."""
        with contextlib.suppress(OSError):
            self.path(fingerprint).unlink(missing_ok=True)


COMPARED = (
    *("outcome", "message", "examples", "covered", "worst", "needed_atol", "failing"),
    *("part", "blame"),
)
"""What of a record has to be the same when its cell is judged again: all but time and place."""


def difference(kept: Record, fresh: Record) -> str | None:
    """The first field in which two records of a pair differ, with what it says now and said."""
    before, now = kept.to_json(), fresh.to_json()
    for name in COMPARED:
        if before[name] != now[name]:
            return f"{name} {_shown(now[name])}, expected {_shown(before[name])}"
    return None


def _shown(value: Any) -> str:
    return f"{json.dumps(value):.300}"


def _read_record(data: Any) -> Record:
    record = parse_line(json.dumps(data), source=FOLDER)
    if not isinstance(record, Record) or record.expectation is not None or record.reused:
        raise TypeError("no record of a judge")
    return record


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no name of a run")
    return value
