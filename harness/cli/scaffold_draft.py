"""Drafts of `scaffold`: the description of a new architecture, copied from a registered one."""

from __future__ import annotations

import functools
import inspect
import re
import types
from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.configs.base import OnnxConfig
from harness.configs.rows import SUFFIX
from harness.configs.task_table import base_task
from harness.configs.tasks import TasksManager
from harness.configs.transformers_mappings import architectures_by_task, classes_by_task
from harness.errors import UsageError, suggest

MAX_SHOWN = 40
MOST_TRIED = 8
WIDTH = "hidden_size"
_EMPTY = frozenset(vars(types.new_class("Empty", (ABC,))))
"""The attributes of a class that a row makes."""
DATA_INPUTS = ("input_ids", "pixel_values", "pixel_mask", "input_values", "input_features")
"""The inputs that carry text, images with their padding, and sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A config class and a tiny model that are not written yet.

    `like` is the registered architecture that the draft copies. `unreached` is how many positions
    fewer eager accepts than the configuration declares. `notes` list settings and tasks in which
    the two architectures differ.
    """

    architecture: str
    like: str
    parent: type[OnnxConfig]
    tasks: tuple[str, ...]
    fixture: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    unreached: int = 0

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

    def settings(self, task: str) -> dict[str, Any]:
        """Return the configuration of the tiny model for a task."""
        common: dict[str, Any] = self.fixture["config"]
        return {**common, **self.fixture.get("tasks", {}).get(base_task(task), {})}


def require_new(architecture: str) -> None:
    """Raise UsageError if transformers lacks the architecture, or if it is registered already."""
    known = {name for members in architectures_by_task().values() for name in members}
    if architecture not in known:
        hint = suggest(architecture, known)
        raise UsageError(f"architecture {architecture!r} is not in transformers; {hint}")
    if architecture in TasksManager.architectures():
        tasks = TasksManager.get_supported_tasks_for_model_type(architecture)
        modules = sorted({constructor.resolve().__module__ for constructor in tasks.values()})
        raise UsageError(
            f"architecture {architecture!r} is registered already, in {', '.join(modules)}; "
            "edit it there"
        )


def nearest(architecture: str) -> list[str]:
    """Return registered architectures that a draft can follow, most similar first.

    They have one config class, share a task with this one, and take the same data there. Similar
    are equal sets of tasks, then equal names of settings, by the Jaccard index. Raises UsageError
    if no architecture is left.
    """
    wanted, settings = _tasks_in_transformers(architecture), _setting_names(architecture)

    def unlikeness(other: str) -> tuple[float, float, str]:
        tasks = set(map(base_task, TasksManager.get_supported_tasks_for_model_type(other)))
        return -_jaccard(wanted, tasks), -_jaccard(settings, _setting_names(other)), other

    alike = [other for other in TasksManager.architectures() if _can_follow(architecture, other)]
    if not alike:
        taken = sorted(set().union(*_data_inputs(architecture).values()))
        raise UsageError(
            f"architecture {architecture!r}: nothing registered with one config class takes "
            f"{' and '.join(taken) or 'its inputs'} alone in this way; name one with --like, or "
            "write the description by hand (see CONTRIBUTING.md)"
        )
    return sorted(alike, key=unlikeness)[:MOST_TRIED]


def _can_follow(architecture: str, other: str) -> bool:
    constructors = TasksManager.get_supported_tasks_for_model_type(other).values()
    taken, pattern = _data_inputs(architecture), _data_inputs(other)
    shared = taken.keys() & pattern.keys() & {base_task(c.task) for c in constructors}
    return (
        len({constructor.resolve() for constructor in constructors}) == 1
        and bool(shared)
        and all(taken[task] == pattern[task] for task in shared)
    )


@functools.cache
def _data_inputs(architecture: str) -> dict[str, frozenset[str]]:
    """Return task -> the inputs of `DATA_INPUTS` that its model class takes."""
    import transformers

    return {
        task: frozenset(DATA_INPUTS)
        & inspect.signature(
            getattr(transformers, members[architecture][0]).forward
        ).parameters.keys()
        for task, members in classes_by_task().items()
        if architecture in members
    }


def _setting_names(architecture: str) -> set[str]:
    return set(_default_config(architecture).to_dict())


def _jaccard(first: set[str], second: set[str]) -> float:
    return len(first & second) / len(first | second)


def with_one_width(draft: Draft) -> Draft | None:
    """Return the draft with the largest `hidden_size` in all of its nested configurations.

    None if they have the same one already. Models without a projection between their parts need it.
    """
    nested = [value for value in draft.fixture["config"].values() if isinstance(value, dict)]
    widths = {value[WIDTH] for value in nested if WIDTH in value}
    if len(widths) < 2:
        return None
    note = f"Its parts have one {WIDTH}, because eager refuses the different ones of {draft.like}."
    fixture = _set_width(draft.fixture, max(widths))
    return replace(draft, fixture=fixture, notes=(*draft.notes, note))


def _set_width(settings: Mapping[str, Any], width: int) -> dict[str, Any]:
    return {
        name: width
        if name == WIDTH
        else _set_width(value, width)
        if isinstance(value, dict)
        else value
        for name, value in settings.items()
    }


def draft_like(architecture: str, like: str) -> Draft:
    """Draft a config class and tiny model for `architecture`, copied from the registered `like`.

    The tiny model keeps the settings that the configuration of `architecture` has too. Raises
    UsageError if `like` is unknown, if its tasks have different config classes (one class is
    copied), or if it has no task in common with the architecture.
    """
    constructors = TasksManager.get_supported_tasks_for_model_type(like)
    available = _tasks_in_transformers(architecture)
    tasks = tuple(task for task in constructors if base_task(task) in available)
    if not tasks:
        raise UsageError(
            f"architecture {architecture!r} has no task of {like}; transformers has it for "
            f"{', '.join(sorted(available))}"
        )
    parents = {constructor.resolve() for constructor in constructors.values()}
    if len(parents) > 1:
        names = ", ".join(sorted(parent.__name__ for parent in parents))
        raise UsageError(
            f"{like} has a class for each task ({names}); write the description by hand"
        )
    new_settings, pattern_settings = _default_config(architecture), _default_config(like)
    return Draft(
        architecture=architecture,
        like=like,
        parent=_with_content(parents.pop()),
        tasks=tasks,
        fixture=_fixture(architecture, like, tasks=tasks, defaults=new_settings),
        notes=(
            *_left_out(architecture, (task for task in constructors if task not in tasks)),
            *_differences(
                architecture,
                like,
                new_settings=new_settings.to_dict(),
                pattern_settings=pattern_settings.to_dict(),
            ),
        ),
    )


def _with_content(described: type[OnnxConfig]) -> type[OnnxConfig]:
    """Return the first class of the bases that says something; type checkers see no other."""
    while len(described.__bases__) == 1 and vars(described).keys() <= _EMPTY:
        (described,) = described.__bases__
    return described


def _tasks_in_transformers(architecture: str) -> set[str]:
    return {task for task, members in architectures_by_task().items() if architecture in members}


def _default_config(architecture: str) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.for_model(architecture)
    except ValueError as error:
        raise UsageError(
            f"architecture {architecture!r} has no configuration of its own in transformers; "
            "scaffold the model that contains it"
        ) from error


def _fixture(
    architecture: str, like: str, *, tasks: Iterable[str], defaults: Any
) -> dict[str, Any]:
    from harness.evidence.models import read_tiny

    pattern = read_tiny(like)
    bases = set(map(base_task, tasks))
    special = {
        task: known
        for task, settings in pattern.get("tasks", {}).items()
        if task in bases and (known := _known(settings, defaults))
    }
    fixture: dict[str, Any] = {
        "config": {**_known(pattern["config"], defaults), "model_type": architecture},
        "perturbation": {**pattern["perturbation"], "seed": _seed(architecture)},
    }
    return {**fixture, "tasks": special} if special else fixture


def _known(settings: Mapping[str, Any], defaults: Any) -> dict[str, Any]:
    """Return the settings that a configuration has by name, nested ones too."""
    return {
        name: _known(value, getattr(defaults, name))
        if isinstance(value, dict) and hasattr(getattr(defaults, name), "model_type")
        else value
        for name, value in settings.items()
        if hasattr(defaults, name)
    }


def _seed(architecture: str) -> int:
    """Return a seed other than the copied architecture's, the same on every machine."""
    from zlib import crc32

    return crc32(architecture.encode()) % 10_000


def _left_out(architecture: str, tasks: Iterable[str]) -> Iterable[str]:
    if names := ", ".join(tasks):
        yield f"Left out, because transformers has no {architecture} model for it: {names}."


def _differences(
    architecture: str,
    like: str,
    *,
    new_settings: Mapping[str, Any],
    pattern_settings: Mapping[str, Any],
) -> Iterable[str]:
    """Name settings that only the new architecture has, and that are on by default."""
    own = [
        _shown(name, value)
        for name, value in new_settings.items()
        if name not in pattern_settings and value
    ]
    if own:
        yield (
            f"Unlike {like}, {architecture} is configured by {', '.join(own)}. The tiny model "
            "keeps the default, whose effect the examples may not reach: set a small value if you "
            "can."
        )


def _shown(name: str, value: Any) -> str:
    text = f"{name}={value!r}"
    return text if len(text) <= MAX_SHOWN else name
