"""What a change selects: changed files -> the rows of the matrix that can tell."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from harness.configs.plugins import fixture_directories
from harness.errors import UsageError
from harness.matrix.changed_files import ChangedFile
from harness.matrix.dependents import Dependents, exporter_at, read_dependents
from harness.matrix.durations import FILE as DURATIONS
from harness.matrix.durations import Durations
from harness.matrix.expectation_files import TABLE
from harness.matrix.names import select
from harness.matrix.plan import Plan, select_models
from harness.matrix.registry import Registry
from harness.matrix.smoke_set import Pick, picked, smoke_set

HARMLESS = (
    *("docs/*", "tests/*", "reports/*", "benchmarks/*", ".github/*", ".ci/*"),
    *("*.md", "LICENSE*", "Makefile", ".gitignore", "fixtures/runs/*"),
)
"""What no verdict depends on. Whatever else is not known to concern less counts as the engine."""

SMOKE_SET = "the smoke set"
SHOWN_FILES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one file selects, and in which words."""

    path: str
    names: frozenset[str]
    picks: frozenset[Pick]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What all changed files select; `differing` counts those that select nothing, too."""

    selecting: tuple[Change, ...]
    differing: int

    def cells_of(self, plan: Plan) -> Plan:
        """The cells of a plan that some change selects."""
        picks = frozenset(pick for change in self.selecting for pick in change.picks)
        return picked(plan, picks)

    def __str__(self) -> str:
        count = len(self.selecting)
        if not count:
            return f"none of {self.differing} changed files selects a cell"
        names = sorted({name for change in self.selecting for name in change.names})
        names.sort(key=lambda name: name.startswith(SMOKE_SET))
        files = [change.path for change in self.selecting[:SHOWN_FILES]]
        more = [f"{count - SHOWN_FILES} more"] if count > SHOWN_FILES else []
        selects = "1 file selects" if count == 1 else f"{count} files select"
        return f"{selects} {', '.join(names)} ({', '.join([*files, *more])})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Selector:
    registry: Registry
    smoke: frozenset[Pick]
    dependents: Dependents

    def change_of(self, file: ChangedFile) -> Change | None:
        """What a file selects; None where that is nothing."""
        if file.is_reworded_only:
            return None
        relative = _in_fixtures(file.location)
        match relative.parts, relative.suffix:
            case ("models" | "regressions", _), ".json":
                return self._of_architectures(file, {relative.stem.partition("~")[0]})
            case ("expectations", _), ".toml":
                return self._of_expectations(file)
            case (name,), _ if name == DURATIONS:
                return None
            case _, ".py":
                return self._of_module(file)
        return self._of_others(file)

    def _of_module(self, file: ChangedFile) -> Change | None:
        exporter = exporter_at(file.location, self.registry.exporters)
        if exporter is not None:
            return self._of_exporter(file, exporter)
        architectures = self.dependents.of(file)
        if architectures is not None:
            return self._of_architectures(file, architectures)
        return self._of_others(file)

    def _of_architectures(self, file: ChangedFile, architectures: Iterable[str]) -> Change | None:
        """All rows of those that are still registered."""
        models = [model for model in self.registry.models if model.architecture in architectures]
        return _change(file, models, (Pick(model=str(model)) for model in models))

    def _of_expectations(self, file: ChangedFile) -> Change | None:
        """The rows of the entries that stand on one side only."""
        try:
            before, after = _entries(file.before), _entries(file.after)
            changed = [
                entry
                for text, entry in {**before, **after}.items()
                if (text in before) != (text in after)
            ]
            picks = {pick for entry in changed for pick in self._picks_of(entry)}
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._of_engine(file)  # of another form; reading it says so
        models = [model for model in self.registry.models if str(model) in {p.model for p in picks}]
        return _change(file, models, picks)

    def _picks_of(self, entry: Mapping[str, Any]) -> list[Pick]:
        try:
            models = select_models(entry["architecture"], self.registry, subject="architecture")
            exporters = select(entry["exporter"], self.registry.exporters, subject="exporter")
        except UsageError:
            return []  # of what is not registered any more
        return [Pick(model=str(m), exporter=name) for m in models for name in exporters]

    def _of_exporter(self, file: ChangedFile, exporter: str) -> Change:
        picks = (Pick(model=p.model, task=p.task, exporter=exporter) for p in self.smoke)
        names = frozenset({f"{SMOKE_SET} of exporter {exporter}"})
        return Change(path=file.path, names=names, picks=frozenset(picks))

    def _of_others(self, file: ChangedFile) -> Change | None:
        is_harmless = any(fnmatchcase(file.path, pattern) for pattern in HARMLESS)
        return None if is_harmless else self._of_engine(file)

    def _of_engine(self, file: ChangedFile) -> Change:
        return Change(path=file.path, names=frozenset({SMOKE_SET}), picks=self.smoke)


def select_changes(
    files: Iterable[ChangedFile], registry: Registry, durations: Durations
) -> Changes:
    """What changed files select: architectures, exporters, or the smoke set for the engine."""
    architectures = dict.fromkeys(model.architecture for model in registry.models)
    selector = _Selector(
        registry=registry,
        smoke=smoke_set(registry, durations),
        dependents=read_dependents(architectures),
    )
    found = list(map(selector.change_of, files))
    return Changes(
        selecting=tuple(change for change in found if change is not None), differing=len(found)
    )


def _change(file: ChangedFile, models: Iterable[Any], picks: Iterable[Pick]) -> Change | None:
    names = frozenset(model.architecture for model in models)
    return Change(path=file.path, names=names, picks=frozenset(picks)) if names else None


def _entries(content: bytes | None) -> dict[str, Mapping[str, Any]]:
    tables = tomllib.loads((content or b"").decode()).get(TABLE, [])
    return {json.dumps(table, sort_keys=True, default=repr): table for table in tables}


def _in_fixtures(location: Path) -> PurePosixPath:
    """The path of a file within its fixture folder; the whole one where it is in none."""
    for directory in map(Path.resolve, fixture_directories()):
        if location.is_relative_to(directory):
            return PurePosixPath(location.relative_to(directory))
    return PurePosixPath(location)
