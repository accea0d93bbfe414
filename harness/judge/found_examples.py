"""Failing examples that earlier nights found, which later nights judge again.

Kept in Hypothesis's own store of examples, in the user's cache folder: files, that any number of
processes may use at once. They are no regressions: nobody commits them, and a cell that has come to
pass forgets what it stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.exporters._probe import cache_directory
from harness.records import CellId, CellReport, Outcome

if TYPE_CHECKING:
    from hypothesis.database import ExampleDatabase

    from harness.configs.axes import AxisSpace
    from harness.evidence.sides import Example

FOLDER = "examples"
KEPT = 20
"""The newest examples of an architecture and task; all of its cells meet them."""

Entry = dict[str, Any]


def found_examples(cell: CellId, space: AxisSpace, *, seed: int) -> Iterator[Example]:
    """What earlier runs found for the task of a cell, the oldest first.

    What a run of this `seed` found is left out: the cells of one run meet the same examples,
    whichever is judged first.
    """
    from harness.evidence.sides import Example

    for entry in _entries(_store(), _key(cell)):
        if entry["run_seed"] != seed and set(entry["axes"]) == set(space.ranges):
            yield Example.of(space.fit(entry["axes"]), entry["seed"])


def keep_found(report: CellReport, *, seed: int) -> None:
    """Store the minimal failing examples of a cell; forget what it stored, where all passed."""
    store, key = _store(), _key(report.cell)
    known = list(_entries(store, key))
    passed = {record.outcome for record in report.records} <= {
        Outcome.PASSED,
        Outcome.NOT_APPLICABLE,
    }
    fresh = list(_fresh(report, seed=seed))
    again = [_identity(entry) for entry in fresh]
    gone = [
        entry
        for entry in known
        if _identity(entry) in again or (passed and entry["cell"] == str(report.cell))
    ]
    left = [entry for entry in known if entry not in gone]
    for entry in [*gone, *left[: max(0, len(left) + len(fresh) - KEPT)]]:
        store.delete(key, _dump(entry))
    for entry in fresh[-KEPT:]:
        store.save(key, _dump(entry))


def _fresh(report: CellReport, *, seed: int) -> Iterator[Entry]:
    now = datetime.now(UTC).isoformat()
    seen = []
    for record in report.records:
        if record.outcome is not Outcome.FAILED or record.failing is None:
            continue
        entry = {
            "found": now,
            "cell": str(report.cell),
            "axes": dict(record.failing.axes),
            "seed": record.failing.seed,
            "run_seed": seed,
        }
        if _identity(entry) not in seen:
            seen.append(_identity(entry))
            yield entry


def _identity(entry: Entry) -> tuple[Any, ...]:
    return entry["cell"], entry["axes"], entry["seed"]


def _store() -> ExampleDatabase:
    from hypothesis.database import DirectoryBasedExampleDatabase

    return DirectoryBasedExampleDatabase(cache_directory() / FOLDER)


def _key(cell: CellId) -> bytes:
    return f"{cell.library}:{cell.architecture}/{cell.task}".encode()


def _entries(store: ExampleDatabase, key: bytes) -> list[Entry]:
    """The oldest first; what another process is just writing is not there yet."""
    entries = [entry for text in store.fetch(key) if (entry := _load(text)) is not None]
    return sorted(entries, key=lambda entry: (entry["found"], _dump(entry)))


def _load(text: bytes) -> Entry | None:
    try:
        entry: Entry = json.loads(text)
    except ValueError:
        return None
    return entry


def _dump(entry: Entry) -> bytes:
    return json.dumps(entry, sort_keys=True).encode()
