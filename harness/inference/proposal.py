"""Steps 1 to 5 together: what is found about an architecture and a task, and what is open."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.configs.value_kinds import KINDS
from harness.errors import HarnessError
from harness.inference.caches.entries import FoundEntry, find_entries
from harness.inference.caches.steps import InferredSteps, infer_steps, token_axis
from harness.inference.configuration.tiny_configuration import TinyConfiguration
from harness.inference.experiments.axes import infer_axes
from harness.inference.experiments.cache_tensors import is_cache_output
from harness.inference.experiments.eager_model import EagerModel
from harness.inference.experiments.experiment import Budget, Experiment
from harness.inference.experiments.inferred_axes import InferredAxes, OutputAxis
from harness.inference.experiments.landmarks import read_landmarks
from harness.inference.experiments.opened_feed import OpenedFeed
from harness.inference.experiments.reactions import (
    ProblemKind,
    ReactionProblem,
    Reactions,
    infer_reactions,
)
from harness.inference.feeds.proposed_feed import ProposedFeed
from harness.inference.running_proposal import propose
from harness.inference.stops import Stop, stopped

if TYPE_CHECKING:
    from torch import nn


class Step(enum.Enum):
    """The steps of inference, in their order."""

    CONFIGURATION = "configuration"
    FEED = "feed"
    AXES = "axes"
    CACHE = "cache"
    REACTIONS = "reactions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What was found about an architecture and a task. Steps that were not made have None.

    `inert` maps inputs to how little they move. `entries` is empty if eager makes no cache.
    """

    architecture: str
    task: str
    tiny: TinyConfiguration
    feed: ProposedFeed
    inert: Mapping[str, float]
    axes: InferredAxes | None = None
    steps: InferredSteps | None = None
    entries: tuple[FoundEntry, ...] = ()
    reactions: Reactions | None = None

    @property
    def outputs(self) -> Mapping[str, tuple[OutputAxis, ...]]:
        """The outputs to declare: tensors that the result of the model holds and inputs move.

        Caches and the results of inner models, which have names with dots, are left out. So are
        outputs of unknown sizes, unless they come first: that is the result of the task.
        """
        found = {} if self.axes is None else self.axes.outputs
        still = set(self._problem_names(ProblemKind.STILL))
        moving = {
            name: axes
            for name, axes in found.items()
            if "." not in name and name not in still and not is_cache_output(name)
        }
        return {
            name: axes
            for place, (name, axes) in enumerate(moving.items())
            if place == 0 or all(axis.forms for axis in axes)
        }

    @property
    def left_out(self) -> Mapping[str, str]:
        """Output that is not declared -> the reason."""
        found = {} if self.axes is None else self.axes.outputs
        still = set(self._problem_names(ProblemKind.STILL))
        return {
            name: "no input moves it" if name in still else _why_left_out(name, axes)
            for name, axes in found.items()
            if name not in self.outputs and not is_cache_output(name)
        }

    @property
    def obstacles(self) -> tuple[str, ...]:
        """What a person must decide before a description is written, one line each."""
        return tuple(dict.fromkeys(self._obstacles()))

    def _obstacles(self) -> Iterator[str]:
        yield from (f"question: {question}" for question in self.tiny.questions)
        for name in self.tiny.missing:
            yield f"missing module class {name}: which settings make a layer of this kind?"
        for name, moved in self.inert.items():
            yield f"inert input {name}: it moves the outputs by {moved:.1g} of their size"
        if self.axes is not None:
            yield from self._obstacles_of_axes(self.axes)
        if self.reactions is not None:
            yield from map(str, filter(self._is_open, self.reactions.problems))

    def _obstacles_of_axes(self, axes: InferredAxes) -> Iterator[str]:
        if not axes.is_complete:
            yield f"axes: the budget ended after {axes.calls} calls"
        for name, found in self.outputs.items():
            for index, axis in enumerate(found):
                if axis.is_ambiguous or not axis.forms:
                    yield f"ambiguous axis {name}.{index}: {axis}; which is right?"

    def _is_open(self, problem: ReactionProblem) -> bool:
        """Whether a person must decide about a problem that is not named otherwise."""
        if problem.kind is ProblemKind.UNTESTED:
            return not KINDS[self.feed.inputs[problem.name].kind].stays
        if problem.kind is ProblemKind.NON_FINITE:
            return problem.name in self.outputs
        return problem.kind is not ProblemKind.STILL and problem.name not in self.inert

    def _problem_names(self, kind: ProblemKind) -> Sequence[str]:
        problems = () if self.reactions is None else self.reactions.problems
        return [problem.name for problem in problems if problem.kind is kind]


def _why_left_out(name: str, axes: Sequence[OutputAxis]) -> str:
    if "." in name:
        return "part of the result of an inner model"
    unknown = ", ".join(f"axis {i} is {axis}" for i, axis in enumerate(axes) if not axis.forms)
    return f"no known formula gives its sizes: {unknown}"


def infer(architecture: str, task: str, until: Step = Step.REACTIONS) -> Proposal:
    """Return what is found about an architecture for a task, up to a step.

    Raises InferenceStopped if no tiny configuration runs on a feed, or if eager refuses a step.
    """
    *_, (_, last) = infer_by_steps(architecture, task, until)
    return last


def infer_by_steps(
    architecture: str, task: str, until: Step = Step.REACTIONS
) -> Iterator[tuple[Step, Proposal]]:
    """Yield each step with all that is found until then; raises as `infer` does."""
    running = propose(architecture, task)
    found = Proposal(
        architecture=architecture,
        task=task,
        tiny=running.tiny,
        feed=running.feed,
        inert=running.inert,
    )
    for step in Step:
        if step not in {Step.CONFIGURATION, Step.FEED}:
            found = _made(step, found)
        yield step, found
        if step is until:
            return


def _made(step: Step, found: Proposal) -> Proposal:
    try:
        return _MADE[step](found, found.tiny.build())
    except HarnessError:
        raise
    except Exception as error:  # eager may raise what it likes
        raise stopped(Stop.FORWARD, error) from error


def _with_axes(found: Proposal, model: nn.Module) -> Proposal:
    eager = EagerModel(model, use_cache=True)
    experiment = Experiment(call=eager, feed=OpenedFeed(found.feed), budget=Budget())
    return replace(found, axes=infer_axes(experiment, read_landmarks(model.config.to_dict())))


def _with_cache(found: Proposal, model: nn.Module) -> Proposal:
    """Add the cache, and the steps after a past, of a model that makes a cache."""
    axes = found.axes
    assert axes is not None
    if not any(map(is_cache_output, axes.outputs)) or token_axis(found.feed, axes) is None:
        return found
    steps = infer_steps(EagerModel(model, use_cache=True), found.feed, axes)
    return replace(found, steps=steps, entries=find_entries(steps.before, steps.after, axes))


def _with_reactions(found: Proposal, model: nn.Module) -> Proposal:
    return replace(found, reactions=infer_reactions(model, found.feed))


_MADE = {
    Step.AXES: _with_axes,
    Step.CACHE: _with_cache,
    Step.REACTIONS: _with_reactions,
}
