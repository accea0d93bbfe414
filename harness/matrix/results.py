"""A cache of records from earlier runs, by the fingerprint of their cell, without expectations.

A file that cannot be read counts as missing. If a file cannot be written, the next run judges the
cell again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.files import cache_directory, read_json, write_atomically
from harness.records import CellId, Outcome, Record, parse_line

FOLDER = "results"
FORM = 1
"""Version of the files; increase it when older files would be read wrongly."""

VERDICTS = frozenset(
    {
        Outcome.PASSED,
        Outcome.FAILED,
        Outcome.INCONCLUSIVE,
        Outcome.SKIPPED,
        Outcome.NOT_APPLICABLE,
    }
)
"""Outcomes that are stored; a cell with any other outcome, such as `crashed`, is not stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """The stored records of a cell in planned order, and the name of the run that judged it."""

    run: str
    records: tuple[Record, ...]

    @classmethod
    def of(
        cls, run: str, records: Sequence[Record], requirements: Sequence[str]
    ) -> StoredResult | None:
        """Make a result; None unless `records` has exactly one verdict for each requirement."""
        found = {record.requirement: record for record in records}
        if len(records) != len(requirements) or set(found) != set(requirements):
            return None
        if any(record.outcome not in VERDICTS for record in records):
            return None
        return cls(run=run, records=tuple(found[name] for name in requirements))

    def marked(self) -> Iterator[Record]:
        """Yield the records, each with the run that judged it."""
        for record in self.records:
            yield dataclasses.replace(record, reused=self.run)

    def check(self, fresh: Record) -> Record:
        """Return a record of the cell, judged again; as `errored` if it differs from its own."""
        kept = next(r for r in self.records if r.requirement == fresh.requirement)
        found = first_difference(kept, fresh)
        if found is None:
            return fresh
        message = (
            f"{fresh.requirement}: judged again, got {found} of run {self.run} [{fresh.cell}]; "
            "the fingerprint omits something that changes this result: report it"
        )
        return dataclasses.replace(fresh, outcome=Outcome.ERRORED, message=message)


class ResultStore:
    """A folder with one file for each fingerprint, shared by all runs of a user.

    Its default place is the user's cache folder.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or cache_directory() / FOLDER

    def path(self, fingerprint: str) -> Path:
        return self._directory / fingerprint[:2] / f"{fingerprint}.json"

    def read(
        self, fingerprint: str, cell: CellId, requirements: Sequence[str]
    ) -> StoredResult | None:
        """Return the stored result of a cell; None if it is missing or not valid."""
        try:
            data = read_json(self.path(fingerprint))
            if (data["form"], data["fingerprint"]) != (FORM, fingerprint):
                return None
            records = [_read_record(item) for item in data["records"]]
            result = StoredResult.of(_text(data["run"]), records, requirements)
        except (OSError, UsageError, KeyError, TypeError, RecursionError):
            return None
        is_of_cell = all(record.cell == cell for record in records)
        return result if is_of_cell else None

    def write(self, fingerprint: str, result: StoredResult) -> None:
        """Store a result, and replace an earlier one; an error of the disk is ignored."""
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
            write_atomically(path, json.dumps(data, allow_nan=False) + "\n")

    def remove(self, fingerprint: str) -> None:
        """Remove the stored result, if there is one; an error of the disk is ignored."""
        with contextlib.suppress(OSError):
            self.path(fingerprint).unlink(missing_ok=True)


COMPARED = (
    *("outcome", "message", "examples", "covered", "worst", "needed_atol", "failing"),
    *("part", "blame"),
)
"""Fields of a record that must be equal if its cell is judged again; its duration may differ."""


def first_difference(kept: Record, fresh: Record) -> str | None:
    """Describe the first compared field that differs, with both values; None if none differs."""
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
        raise TypeError("not a record as a judge makes it")
    return record


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("the name of the run is not text")
    return value
