"""Drafts of `scaffold`: the description and the tiny model of an architecture, not written yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.cli.scaffold_settings import with_read_settings
from harness.configs.base import OnnxConfig
from harness.configs.rows import SUFFIX
from harness.configs.task_table import WITH_PAST, base_task
from harness.configs.tasks import TasksManager
from harness.configs.transformers_mappings import architectures_by_task, classes_by_task
from harness.errors import UsageError, suggest
from harness.evidence.fixtures import TinyModel, read_fixture

if TYPE_CHECKING:
    from harness.inference.comparison.likeness import Likeness
    from harness.inference.description import FoundDescription
    from harness.inference.proposal import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found for a task: a registered description that holds, else tables."""

    proposal: Proposal
    likeness: Likeness | None
    tables: FoundDescription | None

    @property
    def task(self) -> str:
        return self.proposal.task

    @property
    def like(self) -> Likeness | None:
        """The registered description, if it holds for the task."""
        return self.likeness if self.likeness is not None and self.likeness.tasks else None

    @property
    def described(self) -> type[OnnxConfig]:
        """The class that describes the task."""
        from harness.inference.description import tabled_class

        if self.like:
            return self.like.described
        assert self.tables is not None
        return tabled_class(self.tables)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks to register, with a past if a registered description has the same cache."""
        return self.like.tasks if self.like else (self.task,)

    @property
    def obstacles(self) -> tuple[str, ...]:
        """What must be decided before anything is written."""
        tables = self.tables.problems if self.tables and not self.like else ()
        return (*self.proposal.obstacles, *tables)

    @property
    def notes(self) -> Iterator[str]:
        """What a person should know about the description of this task."""
        if self.proposal.entries and WITH_PAST not in "".join(self.tasks):
            kinds = sorted({one.entry.kind.value for one in self.proposal.entries})
            yield (
                f"{self.task}{WITH_PAST} is left out: eager caches {' and '.join(kinds)}, and no "
                "description with this cache was found; write one to add it"
            )
        for name, why in self.proposal.feed.omitted.items():
            yield f"{self.task}: input {name} is left out: {why}"
        if not self.like:
            yield from self.tables.notes if self.tables is not None else ()
            for name, why in self.proposal.left_out.items():
                yield f"{self.task}: output {name} is left out: {why}"
        for repair in self.proposal.tiny.repairs:
            yield f"{self.task}: the tiny configuration was repaired: {repair}"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """The findings of all tasks. `unreached` is how many positions fewer eager accepts than the
    configuration declares. `known` is the tiny model of an architecture that has other tasks, which
    the new ones share."""

    architecture: str
    findings: Sequence[Finding]
    unreached: int = 0
    known: Mapping[str, Any] | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(task for one in self.findings for task in one.tasks)

    @property
    def title(self) -> str:
        """Name as in the classes of transformers, such as `Roberta`."""
        names = classes_by_task()["feature-extraction"].get(self.architecture)
        if names:
            return names[0].removesuffix("Model")
        return "".join(word.capitalize() for word in re.split(r"[\W_]+", self.architecture))

    @property
    def class_name(self) -> str:
        return f"{self.title}{SUFFIX}"

    @property
    def rows(self) -> Mapping[type[OnnxConfig], Sequence[Finding]]:
        """Registered class -> the findings that it describes."""
        found: dict[type[OnnxConfig], list[Finding]] = {}
        for one in self.findings:
            if one.like:
                found.setdefault(one.like.described, []).append(one)
        return found

    @property
    def tabled(self) -> Sequence[FoundDescription]:
        """The tables of the tasks that no registered class describes."""
        return [one.tables for one in self.findings if one.tables is not None and not one.like]

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for one in self.findings for note in one.notes))

    @cached_property
    def fixture(self) -> dict[str, Any]:
        """The tiny model: the settings of the first task, and what other tasks have otherwise."""
        if self.known is not None:
            return dict(self.known)
        common = self.findings[0].proposal.tiny.config
        special = {
            base_task(one.task): other
            for one in self.findings[1:]
            if (other := _otherwise(common, one.proposal.tiny.config))
        }
        strongest = max((one.proposal.tiny.perturbation for one in self.findings), key=len)
        for one in self.findings:
            own = type(one.proposal.tiny.build().config)
            common = with_read_settings(common, one.described, one.task, of=own)
        fixture = {"config": common, "perturbation": dict(strongest)}
        return {**fixture, "tasks": special} if special else fixture

    def settings(self, task: str) -> dict[str, Any]:
        """Return the configuration of the tiny model for a task."""
        return {**self.fixture["config"], **self.fixture.get("tasks", {}).get(base_task(task), {})}


def _otherwise(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a task that differ, with defaults for what only others state."""
    from transformers import AutoConfig

    defaults = AutoConfig.for_model(common["model_type"]).to_dict()
    missing = {name: defaults[name] for name in common.keys() - own.keys() if name in defaults}
    return {name: value for name, value in {**missing, **own}.items() if common.get(name) != value}


def known_fixture(architecture: str) -> dict[str, Any] | None:
    """Return the tiny model of a registered architecture, None if it is new."""
    if architecture not in TasksManager.architectures():
        return None
    return read_fixture(TinyModel(architecture))


def require_new(architecture: str, wanted: Sequence[str]) -> None:
    """Raise UsageError if transformers lacks the architecture, or if it is registered already.

    Wanted tasks that it is not registered for may be added.
    """
    known = {name for members in architectures_by_task().values() for name in members}
    if architecture not in known:
        hint = suggest(architecture, known)
        raise UsageError(f"architecture {architecture!r} is not in transformers; {hint}")
    if architecture in TasksManager.architectures():
        tasks = TasksManager.get_supported_tasks_for_model_type(architecture)
        if wanted and not any(TasksManager.map_from_synonym(task) in tasks for task in wanted):
            return
        modules = sorted({constructor.resolve().__module__ for constructor in tasks.values()})
        raise UsageError(
            f"architecture {architecture!r} is registered already, in {', '.join(modules)}; "
            "edit it there"
        )


def choose_tasks(architecture: str, wanted: Sequence[str], like: str | None) -> tuple[str, ...]:
    """Return the tasks to infer, without pasts: the wanted ones, else all that transformers has.

    With `like`, only tasks for which that is described. Raises UsageError for a task that
    transformers lacks, and if no task is left.
    """
    available = [task for task, has in architectures_by_task().items() if architecture in has]
    tasks = list(dict.fromkeys(base_task(TasksManager.map_from_synonym(task)) for task in wanted))
    for task in tasks:
        if task not in available:
            raise UsageError(
                f"task {task!r}: transformers has no {architecture} model for it; it has "
                f"{', '.join(available)}"
            )
    tasks = tasks or available
    if like is not None:
        described = set(map(base_task, TasksManager.get_supported_tasks_for_model_type(like)))
        tasks = [task for task in tasks if task in described]
        if not tasks:
            raise UsageError(
                f"architecture {architecture!r} has no task of {like}; transformers has it for "
                f"{', '.join(sorted(available))}"
            )
    return tuple(tasks)
