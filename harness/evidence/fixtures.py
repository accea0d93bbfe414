"""The files of `fixtures/models`: the tiny model of each architecture, and its variants.

This module imports nothing heavy, since the matrix reads the variants during planning.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.configs.atol import ATOL, atol_of_task
from harness.configs.plugins import find_fixture, fixture_directories
from harness.configs.task_table import TASKS, base_task
from harness.configs.tasks import TasksManager
from harness.errors import UsageError, suggest
from harness.evidence.exceptions import EXCEPTIONS, exception_problem
from harness.files import read_json

FOLDER = "models"
ONLY_TASKS = "only_tasks"
THRESHOLD = "external_data_threshold"
_VARIANT_NAME = re.compile(r"[^:/~\s]+~[^:/~\s]+")


@dataclass(frozen=True, slots=True, order=True)
class TinyModel:
    """Name of a tiny model: the architecture's main one, or a variant of it.

    Its text is `architecture[~variant]`, which is also the stem of its file.
    """

    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.architecture}~{self.variant}" if self.variant else self.architecture


def find_variants() -> list[TinyModel]:
    """Return the variants in all fixture folders, sorted; raises UsageError for an invalid name."""
    paths = [
        path
        for directory in fixture_directories()
        for path in sorted((directory / FOLDER).glob("*~*.json"))
    ]
    return sorted({_variant_at(path) for path in paths})


def read_fixture(model: TinyModel) -> dict[str, Any]:
    """Return the fixture of a tiny model; a variant's keys override its architecture's keys.

    Raises UsageError, one line that names the file, if it is missing or invalid.
    """
    main = TinyModel(model.architecture)
    fixture = _read(main)
    return {**fixture, **_read(model)} if model != main else fixture


def find_stored_atol(model: TinyModel, task: str) -> tuple[TinyModel, float | None]:
    """Return the model whose file stores the tolerance of a task, and the tolerance.

    A variant has the tolerance of its architecture unless its file has its own one. If no file has
    one: the architecture's model and None. Raises the errors of `read_fixture`.
    """
    main = TinyModel(model.architecture)
    stored = ((one, atol_of_task(_read(one).get(ATOL), task)) for one in (model, main))
    return next((found for found in stored if found[1] is not None), (main, None))


def _variant_at(path: Path) -> TinyModel:
    if not _VARIANT_NAME.fullmatch(path.stem):
        raise UsageError(
            f"{path}: got an invalid name for a variant's file, expected "
            "<architecture>~<variant>.json; rename it"
        )
    architecture, _, variant = path.stem.partition("~")
    registered = TasksManager.architectures()
    if architecture not in registered:
        hint = suggest(architecture, registered)
        raise UsageError(f"{path}: architecture {architecture!r} is not registered; {hint}")
    return TinyModel(architecture, variant)


def _read(model: TinyModel) -> dict[str, Any]:
    path = find_fixture(f"{FOLDER}/{model}.json")
    if path is None:
        raise UsageError(f"no tiny model: fixtures/{FOLDER}/{model}.json does not exist; add it")
    fixture = read_json(path)
    problem = _problem(fixture, model)
    if problem is not None:
        raise UsageError(f"{path}: {problem}")
    known: dict[str, Any] = fixture
    return known


def _problem(fixture: Any, model: TinyModel) -> str | None:
    """Return the first error in the content of a fixture and how to mend it; None if valid."""
    if not isinstance(fixture, dict):
        return "is not a tiny model; write a JSON object"
    if ONLY_TASKS in fixture and not model.variant:
        return f"key {ONLY_TASKS!r} is for variants only; an architecture has its registered tasks"
    required = () if model.variant else ("config", "perturbation")
    for key in required:
        if key not in fixture:
            return f"key {key!r} is missing; add it"
    for key, value in fixture.items():
        if key not in _PROBLEMS:
            return f"key {key!r} is not known; {suggest(key, _PROBLEMS)}"
        problem = _PROBLEMS[key](value, model.architecture)
        if problem is not None:
            return f"key {key!r} is {value!r}: {problem}"
    return None


def _config_problem(value: Any, architecture: str) -> str | None:
    is_config = isinstance(value, dict) and isinstance(value.get("model_type"), str)
    return None if is_config else "must be an object with a model_type"


def _perturbation_problem(value: Any, architecture: str) -> str | None:
    if not (isinstance(value, dict) and "seed" in value):
        return "must be an object with a seed"
    gain = value.get("kernel_gain", 1.0)
    if not (isinstance(gain, float) and gain > 0):
        return "kernel_gain must be a positive number, such as 1.4"
    globs = value.get("buffers", [])
    is_list = isinstance(globs, list) and all(isinstance(glob, str) for glob in globs)
    return None if is_list else "buffers must be a list of names or globs"


def _tasks_problem(value: Any, architecture: str) -> str | None:
    if not (isinstance(value, dict) and all(isinstance(own, dict) for own in value.values())):
        return "must be an object of tasks with their settings"
    return _unknown_task_problem(value, TASKS)


def _only_tasks_problem(value: Any, architecture: str) -> str | None:
    if not (isinstance(value, list) and value and all(isinstance(task, str) for task in value)):
        return "must be a list of tasks; leave it out for all tasks"
    return _unknown_task_problem(
        value, TasksManager.get_supported_tasks_for_model_type(architecture)
    )


def _atol_problem(value: Any, architecture: str) -> str | None:
    if not isinstance(value, dict):
        return "must be an object of tasks with their tolerances"
    wrong = [atol for atol in value.values() if not (type(atol) is float and 0 < atol < math.inf)]
    if wrong:
        return f"tolerance {wrong[0]!r} must be a number above 0, such as 1e-05"
    return _unknown_task_problem(map(base_task, value), TASKS)


def _threshold_problem(value: Any, architecture: str) -> str | None:
    is_size = type(value) is int and value > 0
    return None if is_size else "must be a positive integer, in bytes"


def _exceptions_problem(value: Any, architecture: str) -> str | None:
    return exception_problem(value)


def _unknown_task_problem(tasks: Iterable[str], known: Mapping[str, Any]) -> str | None:
    unknown = next((task for task in tasks if task not in known), None)
    return unknown and f"task {unknown!r} is unknown; {suggest(unknown, known)}"


_PROBLEMS: Mapping[str, Callable[[Any, str], str | None]] = {
    "config": _config_problem,
    "tasks": _tasks_problem,
    ATOL: _atol_problem,
    "perturbation": _perturbation_problem,
    THRESHOLD: _threshold_problem,
    ONLY_TASKS: _only_tasks_problem,
    EXCEPTIONS: _exceptions_problem,
}
