"""Architectures and tasks that transformers has and the harness does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.configs.task_table import base_task
from harness.configs.tasks import TasksManager
from harness.configs.transformers_mappings import LIBRARY, architectures_by_task


def not_registered() -> list[tuple[str, str, list[str]]]:
    """Return (library, architecture, sorted tasks), for tasks without a registered description.

    A task with a past counts as registered if the task without it is, and the other way round.
    """
    known = _invert(architectures_by_task())
    missing = {
        architecture: sorted(tasks - _registered_tasks(architecture))
        for architecture, tasks in sorted(known.items())
    }
    return [(LIBRARY, architecture, tasks) for architecture, tasks in missing.items() if tasks]


def _invert(architectures: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    tasks: dict[str, set[str]] = {}
    for task, members in architectures.items():
        for architecture in members:
            tasks.setdefault(architecture, set()).add(task)
    return tasks


def _registered_tasks(architecture: str) -> set[str]:
    if architecture not in TasksManager.architectures():
        return set()
    return set(map(base_task, TasksManager.get_supported_tasks_for_model_type(architecture)))
