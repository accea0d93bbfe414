"""What is registered, in the form in which the matrix crosses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.configs.tasks import ConfigConstructor, TasksManager

BACKEND = "onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Everything that can be crossed: sorted names, requirements in the order of the ladder."""

    tasks: Mapping[str, tuple[str, ...]]
    exporters: tuple[str, ...]
    requirements: tuple[str, ...]

    @property
    def architectures(self) -> tuple[str, ...]:
        return tuple(self.tasks)

    @property
    def all_tasks(self) -> tuple[str, ...]:
        """Every task that some architecture has, sorted."""
        return tuple(sorted({task for tasks in self.tasks.values() for task in tasks}))


def read_registry() -> Registry:
    """What is registered now, config modules that were loaded before included."""
    from harness.exporters import exporter_names
    from harness.requirements import requirement_ids

    return Registry(
        tasks={
            architecture: tuple(sorted(_constructors(architecture)))
            for architecture in TasksManager.architectures()
        },
        exporters=tuple(exporter_names()),
        requirements=tuple(requirement_ids()),
    )


def modalities(architectures: Iterable[str]) -> dict[str, str]:
    """Architecture -> the modality that its description declares."""
    return {
        architecture: next(iter(_constructors(architecture).values())).resolve().MODALITY
        for architecture in dict.fromkeys(architectures)
    }


def _constructors(architecture: str) -> Mapping[str, ConfigConstructor]:
    return TasksManager.get_supported_tasks_for_model_type(architecture, BACKEND)
