"""Failing examples found by earlier nightly runs, which later nightly runs judge again.

They are stored in Hypothesis' example database in the user's cache folder; many processes may use
it at once. Unlike regressions they are not committed, and a cell that passes deletes its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.files import cache_directory
from harness.records import CellId, CellReport, Outcome

if TYPE_CHECKING:
    from hypothesis.database import ExampleDatabase

    from harness.configs.axis_space import AxisSpace
    from harness.evidence.example import Example

FOLDER = "examples"
MAX_STORED = 20
"""Limit of stored examples per architecture and task; the newest are kept."""

Entry = dict[str, Any]


def load_found_examples(cell: CellId, space: AxisSpace, *, seed: int) -> Iterator[Example]:
    """Yield the stored examples for the task of a cell, oldest first.

    Examples stored by a run with this `seed` are left out, so that all cells of one run get the
    same examples in whatever order they are judged.
    """
    from harness.evidence.example import Example

    for entry in _entries(_store(), _key(cell)):
        if entry["run_seed"] != seed and set(entry["axes"]) == set(space.ranges):
            yield Example.of(space.fit(entry["axes"]), entry["seed"])


def store_found_examples(report: CellReport, *, seed: int) -> None:
    """Store the minimal failing examples of a cell; delete its stored ones if it passed."""
    store, key = _store(), _key(report.cell)
    known = list(_entries(store, key))
    passed = {record.outcome for record in report.records} <= {
        Outcome.PASSED,
        Outcome.NOT_APPLICABLE,
    }
    new = list(_new_entries(report, seed=seed))
    new_identities = [_identity(entry) for entry in new]
    outdated = [
        entry
        for entry in known
        if _identity(entry) in new_identities or (passed and entry["cell"] == str(report.cell))
    ]
    kept = [entry for entry in known if entry not in outdated]
    for entry in [*outdated, *kept[: max(0, len(kept) + len(new) - MAX_STORED)]]:
        store.delete(key, _dump(entry))
    for entry in new[-MAX_STORED:]:
        store.save(key, _dump(entry))


def _new_entries(report: CellReport, *, seed: int) -> Iterator[Entry]:
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
    """Return the stored entries, oldest first; an unreadable one is skipped."""
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
