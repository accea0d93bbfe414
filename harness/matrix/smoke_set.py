"""The smoke set: a few quick rows of the matrix that represent all of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass

from harness.configs.task_table import WITH_PAST
from harness.exporters import AUTO
from harness.matrix.durations import Durations
from harness.matrix.plan import Plan
from harness.matrix.registry import Registry, base_class, middle_end, modalities


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSelector:
    """Selects rows of the matrix: a tiny model, with one or (if None) all tasks and exporters."""

    model: str
    task: str | None = None
    exporter: str | None = None


def select_rows(plan: Plan, selectors: Collection[RowSelector]) -> Plan:
    """Return the cells of a plan that one of the selectors matches."""
    chosen = frozenset(selectors)
    return {
        cell: requirements
        for cell, requirements in plan.items()
        if not chosen.isdisjoint(
            RowSelector(model=str(cell).partition("/")[0], task=task, exporter=exporter)
            for task in (None, cell.task)
            for exporter in (None, cell.exporter)
        )
    }


def smoke_set(registry: Registry, durations: Durations) -> frozenset[RowSelector]:
    """Select the quickest row of each middle-end class, with a cache and without.

    Exporters that `auto` chooses from run all of these rows. Other exporters run the quickest one
    of each level 1 class and modality, with a cache and without: they do not use the harness's
    wrapper, and their exports take longest.

    A row here is a tiny model and a task. Its time is the sum of past durations over all exporters;
    ties are decided by name. Measured rows are preferred to unmeasured ones, which may take any
    time. Variants are never selected.
    """
    rows = [_Row.of(model, task, registry, durations) for model, task in _own_rows(registry)]
    quickest = _quickest(rows, lambda row: middle_end(row.model, row.task))
    modality = modalities(row.model for row in quickest)
    fewer = _quickest(quickest, lambda row: (base_class(row.model, row.task), modality[row.model]))
    return frozenset(
        RowSelector(model=row.model, task=row.task, exporter=exporter)
        for exporter in registry.exporters
        for row in (quickest if exporter in AUTO else fewer)
    )


@dataclass(frozen=True, slots=True, order=True)
class _Row:
    """A row in the order of preference."""

    unmeasured: int
    seconds: float
    model: str
    task: str

    @classmethod
    def of(cls, model: str, task: str, registry: Registry, durations: Durations) -> _Row:
        names = [f"{model}/{task}/{exporter}" for exporter in registry.exporters]
        unmeasured = sum(name not in durations.rows for name in names)
        return cls(unmeasured, sum(map(durations.of_row, names)), model, task)


def _quickest(rows: Iterable[_Row], kind_of: Callable[[_Row], Hashable]) -> list[_Row]:
    """Return the first row of each kind, with a cache and without."""
    kinds: dict[tuple[Hashable, bool], list[_Row]] = {}
    for row in rows:
        kinds.setdefault((kind_of(row), row.task.endswith(WITH_PAST)), []).append(row)
    return list(map(min, kinds.values()))


def _own_rows(registry: Registry) -> Iterator[tuple[str, str]]:
    for model, tasks in registry.tasks.items():
        if not model.variant:
            yield from ((model.architecture, task) for task in tasks)
