"""What is registered, in the form in which the matrix crosses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.configs.tasks import ConfigConstructor, TasksManager
from harness.evidence.fixtures import ONLY_TASKS, TinyModel, find_variants, read_fixture

BACKEND = "onnx"
MIDDLE_END = "harness.configs.middle_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Everything that can be crossed: sorted names, requirements in the order of the ladder.

    `tasks` has the own tiny model of every architecture, its variants after it.
    """

    tasks: Mapping[TinyModel, tuple[str, ...]]
    exporters: tuple[str, ...]
    requirements: tuple[str, ...]

    @property
    def models(self) -> tuple[TinyModel, ...]:
        return tuple(self.tasks)

    @property
    def all_tasks(self) -> tuple[str, ...]:
        """Every task that some architecture has, sorted."""
        return tuple(sorted({task for tasks in self.tasks.values() for task in tasks}))


def read_registry() -> Registry:
    """What is registered now, config modules that were loaded before included.

    Raises UsageError for a variant that cannot be read.
    """
    from harness.exporters import exporter_names
    from harness.requirements import requirement_ids

    own = map(TinyModel, TasksManager.architectures())
    return Registry(
        tasks={model: _tasks(model) for model in sorted([*own, *find_variants()])},
        exporters=tuple(exporter_names()),
        requirements=tuple(requirement_ids()),
    )


def _tasks(model: TinyModel) -> tuple[str, ...]:
    registered = tuple(sorted(_constructors(model.architecture)))
    if not model.variant:
        return registered
    only = read_fixture(model).get(ONLY_TASKS, registered)
    return tuple(task for task in registered if task in only)


def modalities(architectures: Iterable[str]) -> dict[str, str]:
    """Architecture -> the modality that its description declares."""
    return {
        architecture: next(iter(_constructors(architecture).values())).resolve().MODALITY
        for architecture in dict.fromkeys(architectures)
    }


def middle_end(architecture: str, task: str) -> str:
    """The name of the middle-end class that describes a task; a description that follows none of
    ours is a kind of its own."""
    described = _constructors(architecture)[task].resolve()
    ours = (base for base in described.__mro__ if base.__module__ == MIDDLE_END)
    return next(ours, described).__name__


def first_opset(architecture: str, task: str) -> int:
    """The first opset from which a task is described."""
    return _constructors(architecture)[task].resolve().MIN_OPSET


def _constructors(architecture: str) -> Mapping[str, ConfigConstructor]:
    return TasksManager.get_supported_tasks_for_model_type(architecture, BACKEND)
