"""The smoke set: a few quick rows of the matrix that represent all of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from harness.configs.task_table import WITH_PAST
from harness.matrix.durations import Durations
from harness.matrix.plan import Plan
from harness.matrix.registry import Registry, middle_end


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

    A row here is a tiny model and a task. Its time is the sum of past durations over all exporters;
    ties are decided by name. Measured rows are preferred to unmeasured ones, which may take any
    time. Variants are never selected.
    """
    kinds: dict[tuple[str, bool], list[tuple[int, float, str, str]]] = {}
    for model, task in _own_rows(registry):
        rows = [f"{model}/{task}/{exporter}" for exporter in registry.exporters]
        unknown = sum(row not in durations.rows for row in rows)
        kind = (middle_end(model, task), task.endswith(WITH_PAST))
        seconds = sum(map(durations.of_row, rows))
        kinds.setdefault(kind, []).append((unknown, seconds, model, task))
    quickest = map(min, kinds.values())
    return frozenset(RowSelector(model=model, task=task) for *_, model, task in quickest)


def _own_rows(registry: Registry) -> Iterator[tuple[str, str]]:
    for model, tasks in registry.tasks.items():
        if not model.variant:
            yield from ((model.architecture, task) for task in tasks)
