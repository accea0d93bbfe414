"""Whether a registered description holds for a model of another architecture, by experiment."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.configs.base import OnnxConfig
from harness.configs.cache_layout import is_past
from harness.configs.rows import class_with_content
from harness.configs.task_table import WITH_PAST
from harness.configs.tasks import TasksManager
from harness.configs.transformers_mappings import architectures_by_task
from harness.errors import one_line
from harness.inference.capabilities import capabilities_of
from harness.inference.comparison.agreement import compare_with_inference
from harness.inference.comparison.eager_trial import differences_on_eager

if TYPE_CHECKING:
    from torch import nn

    from harness.inference.proposal import Proposal

MOST_COMPARED = 4
"""Descriptions that are compared by experiment, the most similar first."""

POSITIONS = frozenset({"position_ids", "decoder_position_ids"})
"""Inputs that models count by themselves, so that descriptions may leave them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """A registered description beside what an experiment finds for another architecture.

    `tasks` are the tasks for which both say the same, with and without a past. `differences` say
    why others are missing, one line each.
    """

    like: str
    described: type[OnnxConfig]
    tasks: tuple[str, ...]
    differences: tuple[str, ...]


def find_like(proposal: Proposal, like: str | None = None) -> Likeness | None:
    """Return the first description that holds for the model of a proposal.

    Only `like` is tried if it is given, and returned with its differences. Else the architectures
    that are described for the task are tried, the most similar first; None if none holds.
    """
    model = proposal.tiny.build()
    if like is not None:
        return compare_with(like, proposal, model)
    best: Likeness | None = None
    for number, (other, described) in enumerate(_candidates(proposal, model)):
        found = _compared(other, described, proposal, model)
        if len(found.tasks) > (0 if best is None else len(best.tasks)):
            best = found
        if number + 1 == MOST_COMPARED or (found.tasks and not found.differences):
            break
    return best


def _candidates(proposal: Proposal, model: nn.Module) -> Iterator[tuple[str, type[OnnxConfig]]]:
    """Yield descriptions with the names of the inputs and outputs that were found.

    The class that a description is made of may hold although the description itself does not.
    """
    seen: set[type[OnnxConfig]] = set()
    for other in most_similar(proposal.architecture, proposal.task):
        for described in _classes(_class_of(other, proposal.task)):
            if described not in seen:
                seen.add(described)
                if not any(_differences_of_names(described, proposal, model)):
                    yield other, described


def _classes(described: type[OnnxConfig]) -> Iterator[type[OnnxConfig]]:
    """Yield a class and the classes that it is made of, as far as they describe inputs."""
    own = class_with_content(described)
    for one in own.__mro__:
        if issubclass(one, OnnxConfig) and not inspect.isabstract(one):
            yield one


def compare_with(like: str, proposal: Proposal, model: nn.Module) -> Likeness:
    """Compare the description of `like` with what was found; raises UsageError if it has no such
    task."""
    described = class_with_content(_class_of(like, proposal.task))
    return _compared(like, described, proposal, model)


def _compared(
    like: str, described: type[OnnxConfig], proposal: Proposal, model: nn.Module
) -> Likeness:
    task, tasks = proposal.task, list[str]()
    differences = list(_differences_of_names(described, proposal, model))
    supported = TasksManager.get_supported_tasks_for_model_type(like)
    names = [task] if differences else [one for one in (task, task + WITH_PAST) if one in supported]
    for name in names if not differences else ():
        found = list(_differences_for(described, name, model))
        differences += found
        if found:
            break
        tasks.append(name)
    return Likeness(
        like=like,
        described=described,
        tasks=tuple(tasks),
        differences=tuple(dict.fromkeys(differences)),
    )


def _class_of(architecture: str, task: str) -> type[OnnxConfig]:
    return TasksManager.get_exporter_config_constructor(
        "onnx", model_type=architecture, task=task
    ).resolve()


def _differences_of_names(
    described: type[OnnxConfig], proposal: Proposal, model: nn.Module
) -> Iterator[str]:
    """Yield inputs that only one of both has, and outputs that eager does not give."""
    try:
        config = described(model.config, proposal.task)
        inputs, outputs = [n for n in config.inputs if not is_past(n)], list(config.outputs)
    except Exception as error:  # a description may read any setting of its own architecture
        yield f"the description cannot be made: {type(error).__name__}: {one_line(error)}"
        return
    found = proposal.feed.inputs
    for name in found:
        if name not in inputs and name not in POSITIONS and name not in config.OMITTED_INPUTS:
            yield f"input {name}: eager takes it; it is not declared"
    for name in inputs:
        if name not in found:
            why = proposal.feed.omitted.get(name, "forward does not take it")
            yield f"input {name}: it is declared, but {why}"
    for capability in capabilities_of(model):
        if not isinstance(config, capability):
            yield f"capability {capability.__name__}: the model needs it; it is not declared"
    known = {} if proposal.axes is None else proposal.axes.outputs
    for name in outputs:
        if known and config.parts.keys() == {"model"} and name not in known:
            yield f"output {name}: it is declared, but eager does not give it"


def _differences_for(described: type[OnnxConfig], task: str, model: nn.Module) -> Iterator[str]:
    try:
        config = described(model.config, task)
        found = compare_with_inference(model, config).differences
        others = [] if found else list(differences_on_eager(config, model))
    except Exception as error:  # the description may not fit the model at all
        yield f"{task}: the description cannot be tried: {one_line(error)}"
        return
    yield from (f"{task}: {one.name}: {one.details}" for one in found)
    yield from (f"{task}: {line}" for line in others)


def most_similar(architecture: str, task: str) -> list[str]:
    """Return the architectures described for a task, the most similar first.

    Similar are names of settings, then tasks in transformers, by the Jaccard index.
    """
    wanted, tasks = _setting_names(architecture), _tasks_of(architecture)

    def unlikeness(other: str) -> tuple[float, float, str]:
        names = _setting_names(other)
        return -_jaccard(wanted, names), -_jaccard(tasks, _tasks_of(other)), other

    described = [
        other
        for other in TasksManager.architectures()
        if other != architecture and task in TasksManager.get_supported_tasks_for_model_type(other)
    ]
    return sorted(described, key=unlikeness)


def _tasks_of(architecture: str) -> set[str]:
    return {task for task, members in architectures_by_task().items() if architecture in members}


def _setting_names(architecture: str) -> set[str]:
    """Return the names of settings, nested ones included; none if there is no default."""
    from transformers import AutoConfig

    try:
        settings = AutoConfig.for_model(architecture).to_dict()
    except Exception:  # a registered architecture of another package, or one without default
        return set()
    nested = [value for value in settings.values() if isinstance(value, dict)]
    return {*settings, *(name for one in nested for name in map(str, one))}


def _jaccard(first: set[str], second: set[str]) -> float:
    return len(first & second) / max(1, len(first | second))


def describe_differences(likeness: Likeness) -> Sequence[str]:
    """Return one line for each difference to the description that is followed."""
    return [f"unlike {likeness.like}: {line}" for line in likeness.differences]
