"""The registered tiny models, tasks, exporters and requirements, from which a plan is made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile

from harness.configs.tasks import ConfigConstructor, TasksManager
from harness.evidence.fixtures import ONLY_TASKS, TinyModel, find_variants, read_fixture

BACKEND = "onnx"
MIDDLE_END = tuple(
    f"harness.configs.{name}" for name in ("image_text", "middle_end", "recurrent", "speech")
)
BASES = ("harness.configs.base", "harness.configs.seq2seq")


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The dimensions of the matrix: sorted names, requirements in the order they run.

    `tasks` maps each tiny model to its tasks; the variants of an architecture follow its own model.
    """

    tasks: Mapping[TinyModel, tuple[str, ...]]
    exporters: tuple[str, ...]
    requirements: tuple[str, ...]

    @property
    def models(self) -> tuple[TinyModel, ...]:
        return tuple(self.tasks)

    @property
    def all_tasks(self) -> tuple[str, ...]:
        """Every task of any architecture, sorted."""
        return tuple(sorted({task for tasks in self.tasks.values() for task in tasks}))


def read_registry() -> Registry:
    """Read what is registered now, including by config modules that are loaded.

    Raises UsageError if the file of a variant cannot be read.
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
    """Return architecture -> the modality that its description declares."""
    return {
        architecture: next(iter(_constructors(architecture).values())).resolve().MODALITY
        for architecture in dict.fromkeys(architectures)
    }


def middle_end(architecture: str, task: str) -> str:
    """Return the name of the middle-end class of a task's description.

    If it has none as a base, returns the name of the first description that it derives from, or
    its own: relatives of SAM are one kind.
    """
    return _first_base(architecture, task, MIDDLE_END)


def base_class(architecture: str, task: str) -> str:
    """Return the name of the level 1 class of a task's description, such as OnnxConfigWithPast."""
    return _first_base(architecture, task, BASES)


def _first_base(architecture: str, task: str, modules: Collection[str]) -> str:
    described = _constructors(architecture)[task].resolve()
    bases = (base for base in described.__mro__ if base.__module__ in modules)
    own = takewhile(lambda base: base.__module__ not in BASES, described.__mro__)
    first: type = next(bases, [described, *own][-1])
    return first.__name__


def _constructors(architecture: str) -> Mapping[str, ConfigConstructor]:
    return TasksManager.get_supported_tasks_for_model_type(architecture, BACKEND)
