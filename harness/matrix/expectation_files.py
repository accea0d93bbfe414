"""Reads expectation files, strictly: an entry that could never apply is refused, not ignored."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.plugins import fixture_directories
from harness.errors import UsageError
from harness.matrix.expectations import Expectation, Expectations
from harness.matrix.names import select
from harness.matrix.opsets import parse_opsets
from harness.matrix.plan import select_models, select_tasks
from harness.matrix.registry import Registry

if TYPE_CHECKING:
    from harness.matrix.expectation_schema import ExpectationEntry

TABLE = "expectation"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where an entry stands, for messages (`text`) and for records (`source`)."""

    path: Path
    number: int

    @property
    def text(self) -> str:
        return f"{self.path}: entry {self.number}:"

    @property
    def source(self) -> str:
        return f"{self.path.name}, entry {self.number}"


def committed_files() -> tuple[Path, ...]:
    """The expectation files of every fixture folder, ours last."""
    return tuple(
        path
        for directory in fixture_directories()
        for path in sorted((directory / "expectations").glob("*.toml"))
    )


def load_expectations(
    files: tuple[Path, ...], registry: Registry, *, today: date | None = None
) -> Expectations:
    """Read the entries of `files` that hold for the installed versions.

    Raises UsageError, one line that names file, entry and key, for a file that is not TOML, an
    entry of another form, one that matches no pair of the full matrix, and for expired ones.
    """
    entries = [found for path in files for found in _read(path)]
    _refuse_expired(entries, today or datetime.now(UTC).date())
    resolved = [(entry, _resolve(entry, place, registry)) for entry, place in entries]
    return Expectations(tuple(known for entry, known in resolved if _holds(entry.versions)))


def _read(path: Path) -> Iterator[tuple[ExpectationEntry, _Place]]:
    from harness.matrix.expectation_schema import parse_entry

    for number, table in enumerate(_tables(path), start=1):
        place = _Place(path=path, number=number)
        try:
            yield parse_entry(table), place
        except ValueError as error:
            raise UsageError(f"{place.text} {error}") from error


def _tables(path: Path) -> list[Mapping[str, Any]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}); give an existing file"
        ) from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise UsageError(f"{path}: is not TOML ({error}); correct that line") from error
    others = sorted(set(content) - {TABLE})
    if others:
        raise UsageError(f"{path}: key {others[0]!r} is not known; write [[{TABLE}]] tables only")
    tables = content.get(TABLE, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path}: {TABLE!r} is no array of tables; write [[{TABLE}]]")
    return tables


def _refuse_expired(entries: list[tuple[ExpectationEntry, _Place]], today: date) -> None:
    expired = [
        f"{place.text} expired on {entry.expires}"
        for entry, place in entries
        if entry.expires is not None and entry.expires < today
    ]
    if expired:
        raise UsageError(f"{'; '.join(expired)}; judge them anew, then renew or remove them")


def _resolve(entry: ExpectationEntry, place: _Place, registry: Registry) -> Expectation:
    def subject(key: str) -> str:
        return f"{place.text} {key}"

    models = select_models(entry.architecture, registry, subject=subject("architecture"))
    tasks = frozenset(select_tasks(entry.task, registry, subject=subject("task")))
    if not any(tasks.intersection(registry.tasks[model]) for model in models):
        raise UsageError(
            f"{place.text} {entry.architecture} has no task {entry.task}, so it matches no pair; "
            "correct or remove it"
        )
    return Expectation(
        models=frozenset(models),
        tasks=tasks,
        opsets=frozenset(parse_opsets(entry.opsets, subject=subject("opsets"))),
        exporters=frozenset(
            select(entry.exporter, registry.exporters, subject=subject("exporter"))
        ),
        requirements=frozenset(
            select(entry.requirement, registry.requirements, subject=subject("requirement"))
        ),
        outcome=entry.outcome,
        reason=entry.reason,
        issue=entry.issue,
        layer=entry.layer,
        source=place.source,
    )


def _holds(conditions: Mapping[str, str]) -> bool:
    """Whether every named distribution is installed in a version that its condition admits."""
    from packaging.specifiers import SpecifierSet

    for distribution, condition in conditions.items():
        try:
            installed = version(distribution)
        except PackageNotFoundError:
            return False
        if not SpecifierSet(condition).contains(installed, prereleases=True):
            return False
    return True
