"""Keeps the outcome of every cell of many runs in one SQLite file, called a history.

Run files are large and get deleted. The history keeps enough to answer in which run a cell turned
red or green, and which versions changed with it.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.records import CellReport, Header, Outcome, Run
from reports.text import one_line
from reports.verdict import verdict_of

_APPLICATION_ID = 0x6F6E7866  # "onxf" in the SQLite header; other databases are refused
_VERSION = 2
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
CREATE TABLE run (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, started TEXT NOT NULL,
    profile TEXT NOT NULL, level TEXT NOT NULL, UNIQUE (name, started)
);
CREATE TABLE fact (
    run INTEGER NOT NULL REFERENCES run, name TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
CREATE TABLE cell (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE state (
    cell INTEGER NOT NULL REFERENCES cell, run INTEGER NOT NULL REFERENCES run,
    outcome TEXT NOT NULL, expected INTEGER NOT NULL,
    requirement TEXT NOT NULL, message TEXT NOT NULL,
    seconds REAL NOT NULL, ratio REAL,
    PRIMARY KEY (cell, run)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run in a history.

    `versions` also has the platform. `counts` is outcome -> number of cells. `seconds` is the time
    of all requirements, summed over all workers. `ratio` is the largest error ratio (difference
    divided by atol) of the cells that passed, or None if no passed cell has one.
    """

    name: str
    started: str
    profile: str
    level: str
    versions: Mapping[str, str]
    counts: Mapping[Outcome, int]
    seconds: float
    ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The outcome of a cell in one run.

    `requirement` is the one with the worst outcome. `ratio` is the largest finite error ratio.
    """

    run: PastRun
    outcome: Outcome
    expected: bool
    requirement: str
    message: str
    seconds: float
    ratio: float | None


@contextmanager
def open_history(path: Path, *, writable: bool) -> Iterator[History]:
    """Open the history in `path`.

    With `writable`, a missing file is created, and the changes are committed at the end, all or
    none. Raises UsageError if the file is not a history, is in use or cannot be read.
    """
    if not writable and not (path.is_file() and path.stat().st_size):
        raise UsageError(f"{path}: no history here; give runs to start one")
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _prepare(connection, path, writable=writable)
            yield History(connection)
            if writable:
                connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise UsageError(
            f"{path}: cannot be used as a history ({error}); give another file"
        ) from error


class History:
    """The runs that were added to a history file. `open_history` returns one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, run: Run) -> None:
        """Add a run, identified by its name and start time.

        Adding a run again replaces its entry, for example after it was resumed. Raises UsageError
        if the run is a shard: shards must be merged first.
        """
        header = run.header
        if header.shard is not None:
            raise UsageError(
                f"{header.run}: is shard {header.shard.index}/{header.shard.count} of a run; "
                "merge its shards first"
            )
        reports = run.reports()
        number = self._number_of(header, level=verdict_of(run, reports).level)
        facts = {**header.versions, "platform": header.platform}
        self._connection.executemany(
            "INSERT OR REPLACE INTO fact VALUES (?, ?, ?)",
            [(number, one_line(name), one_line(value)) for name, value in facts.items()],
        )
        names = [(one_line(str(report.cell)),) for report in reports]
        self._connection.executemany("INSERT OR IGNORE INTO cell (name) VALUES (?)", names)
        self._connection.executemany(
            "INSERT INTO state SELECT id, ?, ?, ?, ?, ?, ?, ? FROM cell WHERE name = ?",
            [(number, *_state(report)) for report in reports],
        )

    def runs(self) -> list[PastRun]:
        """Return all runs, the oldest first."""
        return list(self._runs().values())

    def cells(self, pattern: str) -> dict[str, list[State]]:
        """Return cell -> its states, the oldest run first, for the cells that match a glob."""
        runs = self._runs()
        order = {number: place for place, number in enumerate(runs)}
        found: dict[str, list[State]] = {}
        cells = self._connection.execute("SELECT id, name FROM cell ORDER BY name").fetchall()
        for cell, name in cells:
            if fnmatchcase(name, pattern):
                rows = self._connection.execute("SELECT * FROM state WHERE cell = ?", (cell,))
                by_time = sorted(rows, key=lambda row: order[row[1]])
                found[name] = [_read_state(runs[row[1]], row) for row in by_time]
        return {name: states for name, states in found.items() if states}

    def _number_of(self, header: Header, *, level: str) -> int:
        """Return the id of the run's row; facts and states of an earlier entry are deleted."""
        execute, key = self._connection.execute, (one_line(header.run), one_line(header.started))
        execute(
            "INSERT OR IGNORE INTO run (name, started, profile, level) VALUES (?, ?, '', '')", key
        )
        number = execute("SELECT id FROM run WHERE name = ? AND started = ?", key).fetchone()[0]
        values = (one_line(header.profile), level, number)
        execute("UPDATE run SET profile = ?, level = ? WHERE id = ?", values)
        execute("DELETE FROM fact WHERE run = ?", (number,))
        execute("DELETE FROM state WHERE run = ?", (number,))
        return int(number)

    def _runs(self) -> dict[int, PastRun]:
        execute = self._connection.execute
        facts: dict[int, dict[str, str]] = {}
        for run, name, value in execute("SELECT run, name, value FROM fact ORDER BY run, name"):
            facts.setdefault(run, {})[name] = value
        counts: dict[int, dict[Outcome, int]] = {}
        tallied = execute("SELECT run, outcome, COUNT(*) FROM state GROUP BY run, outcome")
        for run, outcome, count in tallied:
            counts.setdefault(run, {})[Outcome(outcome)] = count
        seconds = dict(execute("SELECT run, SUM(seconds) FROM state GROUP BY run"))
        passed = "SELECT run, MAX(ratio) FROM state WHERE outcome = ? GROUP BY run"
        ratios = dict(execute(passed, (Outcome.PASSED,)))
        return {
            number: PastRun(
                name=name,
                started=started,
                profile=profile,
                level=level,
                versions=facts.get(number, {}),
                counts={o: counts[number][o] for o in Outcome if o in counts.get(number, {})},
                seconds=float(seconds.get(number, 0)),
                ratio=ratios.get(number),
            )
            for number, name, started, profile, level in execute(
                "SELECT id, name, started, profile, level FROM run ORDER BY started, name"
            )
        }


def _state(report: CellReport) -> tuple[str, bool, str, str, float, float | None, str]:
    """Return the values of the columns of table `state`, from `outcome` on, and the cell's name."""
    cell, outcome = one_line(str(report.cell)), str(report.outcome)
    if not report.records:
        return outcome, report.expected, "", "", 0.0, None, cell
    worst = report.worst
    message = "" if worst.outcome is Outcome.PASSED else one_line(worst.headline)
    seconds = sum(record.seconds for record in report.records)
    ratios = (r.worst.error_ratio for r in report.records if r.worst is not None)
    ratio = max(filter(math.isfinite, ratios), default=None)
    return outcome, report.expected, one_line(worst.requirement), message, seconds, ratio, cell


def _read_state(run: PastRun, row: tuple[Any, ...]) -> State:
    _, _, outcome, expected, requirement, message, seconds, ratio = row
    return State(
        run=run,
        outcome=Outcome(outcome),
        expected=bool(expected),
        requirement=requirement,
        message=message,
        seconds=seconds,
        ratio=ratio,
    )


def _prepare(connection: sqlite3.Connection, path: Path, *, writable: bool) -> None:
    """Begin a transaction if `writable`, and create the tables in an empty file.

    Raises UsageError if the file is another database or a history of another version.
    """
    if writable:
        connection.execute("BEGIN IMMEDIATE")
    tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    found = connection.execute("PRAGMA application_id").fetchone()[0]
    if not tables and not found and writable:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        return
    if found != _APPLICATION_ID:
        raise UsageError(f"{path}: not a history but another SQLite file; give another file")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION:
        raise UsageError(
            f"{path}: got history version {version}, expected {_VERSION}; "
            "read it with the version of the harness that wrote it"
        )
