"""The rows of the matrix that stand for all of it where there is little time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from harness.configs.task_table import WITH_PAST
from harness.matrix.durations import Durations
from harness.matrix.plan import Plan
from harness.matrix.registry import Registry, middle_end


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """Rows of the matrix: those of a tiny model, of all tasks or exporters where None."""

    model: str
    task: str | None = None
    exporter: str | None = None


def picked(plan: Plan, picks: Collection[Pick]) -> Plan:
    """The cells of a plan that are in one of the rows."""
    chosen = frozenset(picks)
    return {
        cell: requirements
        for cell, requirements in plan.items()
        if not chosen.isdisjoint(
            Pick(model=str(cell).partition("/")[0], task=task, exporter=exporter)
            for task in (None, cell.task)
            for exporter in (None, cell.exporter)
        )
    }


def smoke_set(registry: Registry, durations: Durations) -> frozenset[Pick]:
    """Of each middle-end class the quickest row, and the quickest that generates with a cache.

    By past durations over all exporters, ties by name. What was measured goes before what was not,
    which may take any time; variants stand back.
    """
    kinds: dict[tuple[str, bool], list[tuple[int, float, str, str]]] = {}
    for model, task in _own_rows(registry):
        rows = [f"{model}/{task}/{exporter}" for exporter in registry.exporters]
        unknown = sum(row not in durations.rows for row in rows)
        kind = (middle_end(model, task), task.endswith(WITH_PAST))
        seconds = sum(map(durations.of_row, rows))
        kinds.setdefault(kind, []).append((unknown, seconds, model, task))
    quickest = map(min, kinds.values())
    return frozenset(Pick(model=model, task=task) for *_, model, task in quickest)


def _own_rows(registry: Registry) -> Iterator[tuple[str, str]]:
    for model, tasks in registry.tasks.items():
        if not model.variant:
            yield from ((model.architecture, task) for task in tasks)
