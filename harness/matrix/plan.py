"""The plan of a run: which cells it judges, on which requirements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby, product
from typing import Any

from harness.configs.tasks import TasksManager
from harness.errors import UsageError
from harness.evidence.fixtures import TinyModel
from harness.matrix.names import select, split_list
from harness.matrix.registry import Registry
from harness.records import CellId
from harness.requirements import requirement_ids

ALONE = "~"

Plan = Mapping[CellId, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a user asks for: comma lists of globs as options give them, None for everything.

    Without `exports_again`, what runs the exporter once more is planned only by its name.
    """

    opsets: tuple[int, ...]
    architecture: str | None = None
    task: str | None = None
    exporter: str | None = None
    requirement: str | None = None
    exports_again: bool = True


def make_plan(selection: Selection, registry: Registry) -> Plan:
    """Cell -> requirements: sorted (tiny model, task) x opset x exporter.

    Raises UsageError for a name that selects nothing, and where the names together select no cell.
    """
    models = select_models(selection.architecture, registry, subject="--architecture")
    tasks = select_tasks(selection.task, registry, subject="--task")
    exporters = select(selection.exporter, registry.exporters, subject="--exporter")
    requirements = select(selection.requirement, registry.requirements, subject="--requirement")
    if selection.requirement is None and not selection.exports_again:
        cheap = requirement_ids(exports_again=False)
        requirements = tuple(name for name in requirements if name in cheap)
    rows = [(model, task) for model in models for task in registry.tasks[model] if task in tasks]
    plan = {
        CellId(
            architecture=model.architecture,
            variant=model.variant,
            task=task,
            opset=opset,
            exporter=exporter,
        ): requirements
        for (model, task), opset, exporter in product(rows, selection.opsets, exporters)
    }
    if not plan:
        raise UsageError(_no_cell(selection, models, registry))
    return plan


def pack_plan(plan: Plan) -> list[Any]:
    """A plan as JSON values, in its order, for processes that are to have the same."""
    groups = groupby(plan.items(), key=lambda item: item[1])
    return [[list(names), [str(cell) for cell, _ in group]] for names, group in groups]


def unpack_plan(packed: list[Any]) -> Plan:
    """The plan that was packed."""
    return {CellId.parse(cell): tuple(names) for names, cells in packed for cell in cells}


def select_models(text: str | None, registry: Registry, *, subject: str) -> tuple[TinyModel, ...]:
    """The tiny models that a comma list of globs matches.

    An architecture's name stands for its variants too, `architecture~variant` for that one alone,
    and `architecture~` for its own tiny model alone.
    """
    if text is None:
        return registry.models
    items = split_list(text, subject=subject)
    chosen = {model for item in items for model in _models(item, registry, subject=subject)}
    return tuple(model for model in registry.models if model in chosen)


def _models(item: str, registry: Registry, *, subject: str) -> list[TinyModel]:
    if item.endswith(ALONE):
        own = [model for model in registry.models if not model.variant]
        names = select(item.removesuffix(ALONE), map(str, own), subject=subject)
        return [model for model in own if str(model) in names]
    names = select(item, map(str, registry.models), subject=subject)
    return [m for m in registry.models if m.architecture in names or str(m) in names]


def select_tasks(text: str | None, registry: Registry, *, subject: str) -> tuple[str, ...]:
    """The registered tasks that a comma list of globs or synonyms matches."""
    if text is None:
        return registry.all_tasks
    names = [TasksManager.map_from_synonym(name) for name in split_list(text, subject=subject)]
    return select(",".join(names), registry.all_tasks, subject=subject)


def _no_cell(selection: Selection, models: tuple[TinyModel, ...], registry: Registry) -> str:
    if not models:
        return "no architecture is registered; load some with --config-module"
    nearest = {task for model in models for task in registry.tasks[model]}
    return (
        f"--architecture {selection.architecture or '*'} with --task {selection.task or '*'} "
        f"selects no cell; the tasks there are {', '.join(sorted(nearest))}"
    )
