"""Select the rows of the matrix to judge for a change: changed files -> rows that may differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from harness.configs.left_out import FILE as LEFT_OUT
from harness.configs.plugins import fixture_directories
from harness.matrix.changed_files import ChangedFile
from harness.matrix.dependents import Dependents, exporter_at, read_dependents
from harness.matrix.durations import FILE as DURATIONS
from harness.matrix.durations import Durations
from harness.matrix.expectation_files import CELLS
from harness.matrix.plan import Plan
from harness.matrix.registry import Registry
from harness.matrix.smoke_set import RowSelector, select_rows, smoke_set

HARMLESS = (
    *("docs/*", "tests/*", "reports/*", "benchmarks/*", ".github/*", ".ci/*"),
    *("*.md", "LICENSE*", "Makefile", ".gitignore", "fixtures/runs/*"),
)
"""Files that no verdict depends on. A file that nothing here can place counts as the engine."""

SMOKE_SET = "the smoke set"
SHOWN_FILES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The rows that one changed file selects; `names` describes them to the user."""

    path: str
    names: frozenset[str]
    selectors: frozenset[RowSelector]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The rows that all changed files select; `differing` also counts files that select no row."""

    selecting: tuple[Change, ...]
    differing: int

    def cells_of(self, plan: Plan) -> Plan:
        """Return the cells of a plan that some change selects."""
        return select_rows(plan, {row for change in self.selecting for row in change.selectors})

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
class _ChangeMapper:
    """Finds the rows that a changed file selects; `smoke` are the rows of the smoke set."""

    registry: Registry
    smoke: frozenset[RowSelector]
    dependents: Dependents

    def change_of(self, file: ChangedFile) -> Change | None:
        """Return the rows that a changed file selects; None if it selects no row."""
        if file.is_cosmetic:
            return None
        relative = _in_fixtures(file.location)
        match relative.parts, relative.suffix:
            case ("models" | "regressions", _), ".json":
                return self._of_architectures(file, {relative.stem.partition("~")[0]})
            case ("expectations", _), ".toml" | ".cells":
                return self._of_expectations(file)
            case (name,), _ if name in {DURATIONS, LEFT_OUT}:
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
        """Select all rows of the given architectures; None if none of them is registered now."""
        models = [model for model in self.registry.models if model.architecture in architectures]
        return _change(file, models, (RowSelector(model=str(model)) for model in models))

    def _of_expectations(self, file: ChangedFile) -> Change | None:
        """Select the rows of the cells that a list gained or lost, or that a finding lists."""
        try:
            changed = _changed_cells(file)
            rows = {(id_.rpartition("/opset")[0], id_.rsplit("/", 1)[1]) for id_ in changed}
        except (ValueError, IndexError):
            return self._of_engine(file)  # malformed; the error is reported when the file is loaded
        selectors = [
            RowSelector(model=str(model), task=task, exporter=exporter)
            for model, tasks in self.registry.tasks.items()
            for task in tasks
            for exporter in self.registry.exporters
            if (f"{model}/{task}", exporter) in rows
        ]
        selected = {row.model for row in selectors}
        models = [model for model in self.registry.models if str(model) in selected]
        return _change(file, models, selectors)

    def _of_exporter(self, file: ChangedFile, exporter: str) -> Change:
        selectors = (
            RowSelector(model=row.model, task=row.task, exporter=exporter) for row in self.smoke
        )
        names = frozenset({f"{SMOKE_SET} of exporter {exporter}"})
        return Change(path=file.path, names=names, selectors=frozenset(selectors))

    def _of_others(self, file: ChangedFile) -> Change | None:
        is_harmless = any(fnmatchcase(file.path, pattern) for pattern in HARMLESS)
        return None if is_harmless else self._of_engine(file)

    def _of_engine(self, file: ChangedFile) -> Change:
        return Change(path=file.path, names=frozenset({SMOKE_SET}), selectors=self.smoke)


def select_changes(
    files: Iterable[ChangedFile], registry: Registry, durations: Durations
) -> Changes:
    """Return the rows that changed files select.

    A file of a description or a fixture selects its architectures, an exporter's file the smoke set
    with this exporter, and a file of the engine the whole smoke set.
    """
    architectures = dict.fromkeys(model.architecture for model in registry.models)
    mapper = _ChangeMapper(
        registry=registry,
        smoke=smoke_set(registry, durations),
        dependents=read_dependents(architectures),
    )
    found = list(map(mapper.change_of, files))
    return Changes(
        selecting=tuple(change for change in found if change is not None), differing=len(found)
    )


def _change(
    file: ChangedFile, models: Iterable[Any], selectors: Iterable[RowSelector]
) -> Change | None:
    names = frozenset(model.architecture for model in models)
    return Change(path=file.path, names=names, selectors=frozenset(selectors)) if names else None


def _changed_cells(file: ChangedFile) -> set[str]:
    """Return the cells of changed lines of a list, or all cells of a changed finding.

    The list of a removed finding is removed too, so it selects them.
    """
    if file.location.suffix == CELLS:
        return _listed_cells(file.before) ^ _listed_cells(file.after)
    path = file.location.with_suffix(CELLS)
    return _listed_cells(path.read_bytes() if path.exists() else None)


def _listed_cells(content: bytes | None) -> set[str]:
    return {line.partition(" ")[0] for line in (content or b"").decode().splitlines()}


def _in_fixtures(location: Path) -> PurePosixPath:
    """Return the path relative to the file's fixture folder; the whole path if it is in none."""
    for directory in map(Path.resolve, fixture_directories()):
        if location.is_relative_to(directory):
            return PurePosixPath(location.relative_to(directory))
    return PurePosixPath(location)
