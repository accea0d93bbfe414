"""The plan of a run: the cells to judge, each with its requirements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.configs.tasks import TasksManager
from harness.errors import UsageError
from harness.evidence.fixtures import TinyModel
from harness.exporters import get_exporter
from harness.matrix.names import select, split_list
from harness.matrix.opsets import representative_opsets
from harness.matrix.registry import Registry
from harness.records import CellId
from harness.requirements import requirement_ids

ALONE = "~"
"""Ends the name of an architecture to select it without its variants."""

Plan = Mapping[CellId, tuple[str, ...]]
"""Cell -> the requirements to judge it on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The user's selection: comma lists of globs as in the options, None for everything.

    If `opsets` is None, each exporter's lowest, default and highest opsets are selected. If
    `exports_again` is false, requirements that run the exporter again are planned only if
    `requirement` names them.
    """

    opsets: tuple[int, ...] | None
    architecture: str | None = None
    task: str | None = None
    exporter: str | None = None
    requirement: str | None = None
    exports_again: bool = True


def make_plan(selection: Selection, registry: Registry) -> Plan:
    """Return the selected cells with their requirements: (tiny model, task) x opset x exporter.

    Cells are sorted. Raises UsageError if a name matches nothing or the names together select no
    cell.
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
        for model, task in rows
        for opset, exporter in _pairs_of_row(model, task, selection.opsets, exporters)
    }
    if not plan:
        raise UsageError(_no_cell_message(selection, models, registry))
    return plan


def _pairs_of_row(
    model: TinyModel, task: str, opsets: Sequence[int] | None, exporters: Sequence[str]
) -> list[tuple[int, str]]:
    """Return the sorted (opset, exporter) pairs of a tiny model and task."""
    if opsets is None:
        return sorted((o, name) for name in exporters for o in _opsets_of(model, task, name))
    return [(opset, exporter) for opset in opsets for exporter in exporters]


def _opsets_of(model: TinyModel, task: str, exporter: str) -> tuple[int, ...]:
    """Return an exporter's representative opsets for a tiny model and task."""
    constructors = TasksManager.get_supported_tasks_for_model_type(model.architecture)
    description = constructors[task].resolve()
    try:
        honoured = get_exporter(exporter).opsets
    except Exception as error:  # a third-party exporter may raise any exception
        raise UsageError(
            f"exporter {exporter!r}: reading its opsets failed ({error!r}); repair it, or choose "
            "opsets with --opset"
        ) from error
    return representative_opsets(honoured, default=description.DEFAULT_ONNX_OPSET)


def select_models(text: str | None, registry: Registry, *, subject: str) -> tuple[TinyModel, ...]:
    """Return the tiny models that a comma list of globs matches; all if `text` is None.

    `architecture` selects its own tiny model and all variants, `architecture~variant` only that
    variant, and `architecture~` only its own tiny model.
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
    """Return the registered tasks that a comma list of globs or synonyms matches; all if None."""
    if text is None:
        return registry.all_tasks
    names = [TasksManager.map_from_synonym(name) for name in split_list(text, subject=subject)]
    return select(",".join(names), registry.all_tasks, subject=subject)


def _no_cell_message(
    selection: Selection, models: tuple[TinyModel, ...], registry: Registry
) -> str:
    if not models:
        return "no architecture is registered; load some with --config-module"
    nearest = {task for model in models for task in registry.tasks[model]}
    return (
        f"--architecture {selection.architecture or '*'} with --task {selection.task or '*'} "
        f"selects no cell; tasks of these architectures: {', '.join(sorted(nearest))}"
    )


def dump_plan(plan: Plan) -> list[list[list[str]]]:
    """Return a plan as JSON for other processes: each list of requirements with its cells."""
    cells: dict[tuple[str, ...], list[str]] = {}
    for cell, requirements in plan.items():
        cells.setdefault(requirements, []).append(str(cell))
    return [[list(requirements), ids] for requirements, ids in cells.items()]


def read_plan(dumped: list[list[list[str]]]) -> Plan:
    """Return the plan that `dump_plan` made JSON of."""
    return {CellId.parse(id_): tuple(names) for names, ids in dumped for id_ in ids}
