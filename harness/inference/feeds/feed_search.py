"""Step 2: a feed that eager accepts, with all inputs of `forward` that move its outputs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.configs.value_kinds import MASKS
from harness.inference.failures import Failure
from harness.inference.feeds.eager_calls import Outputs, call, is_inert, movement
from harness.inference.feeds.feed_assembly import assemble
from harness.inference.feeds.feed_plan import FeedPlan, Subject, first_plan, with_companions
from harness.inference.feeds.feed_repairs import repaired_plans, varied_plans
from harness.inference.feeds.forward_inputs import ForwardInputs
from harness.inference.feeds.input_forms import (
    ALTERNATIVES,
    MODALITY_OF_INPUT,
    OPTIONAL,
    SUPERSEDED,
)
from harness.inference.feeds.placeholder_fits import with_fitted_counts
from harness.inference.feeds.proposed_feed import ProposedFeed
from harness.inference.feeds.redraws import redrawn
from harness.inference.stops import InferenceStopped, Stop, shown

if TYPE_CHECKING:
    import torch

MOST_TRIES = 24
MOST_SECONDS = 8.0
"""CPU seconds of one search."""
_TRIES_OF_AN_INPUT = 6
SEED = 0


@dataclass(frozen=True, slots=True)
class RunningFeed:
    """An attempt that eager accepts, and its outputs."""

    plan: FeedPlan
    feed: ProposedFeed
    outputs: Outputs


@dataclass(slots=True)
class _Search:
    """Tries attempts until eager accepts one."""

    subject: Subject
    deadline: float
    tried: set[Any] = field(default_factory=set)
    failure: Failure | None = None
    is_varying: bool = False

    def run(self, plan: FeedPlan, *, tries: int, varies: bool) -> RunningFeed | None:
        """Return the first attempt that runs, from `plan` on; None if none does."""
        for _ in range(tries):
            failure = self._attempt(plan)
            if isinstance(failure, RunningFeed):
                return failure
            following = self._next(plan, failure, varies=varies)
            if following is None or time.process_time() > self.deadline:
                return None
            plan = following
        return None

    def _attempt(self, plan: FeedPlan) -> RunningFeed | Failure:
        self.tried.add(plan.key)
        feed = assemble(self.subject, plan)
        try:
            outputs = call(self.subject.model, feed.draw(feed.export_sizes, seed=SEED))
        except Exception as error:  # eager refuses feeds with many kinds of errors
            return Failure.of(error)
        if not outputs:
            raise InferenceStopped(Stop.FORWARD, "the outputs hold no tensor")
        return RunningFeed(plan, feed, outputs)

    def _next(self, plan: FeedPlan, failure: Failure, *, varies: bool) -> FeedPlan | None:
        """Return the next attempt; the error of the last one that rules led to is kept."""
        following = self._untried(repaired_plans(self.subject, plan, failure))
        if not self.is_varying:
            self.failure = failure
        if following is None and varies:
            self.is_varying = True
            following = self._untried(varied_plans(self.subject, plan))
        return following

    def _untried(self, plans: Iterator[FeedPlan]) -> FeedPlan | None:
        return next((plan for plan in plans if plan.key not in self.tried), None)


def propose_feed(model: Any, task: str) -> ProposedFeed:
    """Return the feed of a model; raises InferenceStopped if eager accepts none.

    Each input of `forward` is in it, or left out with the reason.
    """
    return finished_feed(model, running_feed(model, task), task)


def running_feed(model: Any, task: str, *, varies: bool = True) -> RunningFeed:
    """Return the first feed that eager accepts, with the inputs that it needs.

    With `varies`, other forms and sizes are tried where no rule knows an error. Raises
    InferenceStopped, with the error of eager as its cause, if no feed is accepted.
    """
    subject = Subject(model, ForwardInputs.of(model), task)
    search = _Search(subject, time.process_time() + MOST_SECONDS)
    found = search.run(first_plan(subject), tries=MOST_TRIES, varies=varies)
    if found is not None:
        return found
    assert search.failure is not None
    failure = search.failure
    where = f"{shown(failure.error)} [{failure.where}]"
    raise InferenceStopped(Stop.FORWARD, where) from failure.error


def finished_feed(model: Any, found: RunningFeed, task: str) -> ProposedFeed:
    """Return a running feed with the optional inputs that move an output, and the others named."""
    subject = Subject(model, ForwardInputs.of(model), task)
    found, omitted = _without_inert(subject, found)
    needed = frozenset(found.plan.forms)
    for name in _optional(subject.inputs, found.plan):
        if name in found.plan.forms or name in omitted:
            continue
        if name in ALTERNATIVES:
            omitted[name] = f"is taken instead of {ALTERNATIVES[name]}"
            continue
        other = _with_input(subject, found, name)
        if isinstance(other, str):
            omitted[name] = other
        else:
            found = other
    for name, (less, _) in SUPERSEDED.items():
        if less in needed and less not in found.feed.inputs:
            omitted[less] = f"moves no output beside {name}"
    inputs = {n: replace(i, needed=n in needed) for n, i in found.feed.inputs.items()}
    feed = replace(found.feed, inputs=inputs, omitted=omitted)
    return with_fitted_counts(subject, found.plan, feed, partial(_placeholders, subject))


def _placeholders(subject: Subject, plan: FeedPlan) -> Mapping[str, int] | None:
    """Return the placeholders with which eager accepts an attempt, all other inputs as they are."""
    search = _Search(subject, time.process_time() + MOST_SECONDS / 4)
    other = search.run(plan, tries=_TRIES_OF_AN_INPUT, varies=False)
    is_same = other is not None and other.plan.sizes == plan.sizes
    return other.plan.tokens if other is not None and is_same else None


def _without_inert(subject: Subject, found: RunningFeed) -> tuple[RunningFeed, dict[str, str]]:
    """Return the feed without what it was begun with and moves nothing, if eager agrees."""
    omitted: dict[str, str] = {}
    for name in found.feed.inputs:
        moved = moved_by(subject.model, found, name)
        if name in subject.inputs.required or not is_inert(moved):
            continue
        plan = found.plan.without(name)
        tokens = {m: n for m, n in plan.tokens.items() if m != MODALITY_OF_INPUT.get(name)}
        other = _Search(subject, 0.0).run(replace(plan, tokens=tokens), tries=1, varies=False)
        if other is not None:
            found, omitted[name] = other, f"moves no output ({moved:.1g})"
    return found, omitted


def _optional(inputs: ForwardInputs, plan: FeedPlan) -> Sequence[str]:
    """Return the other tensors that forward takes, the commonest first."""
    others = [name for name in inputs.tensors if name not in plan.forms]
    return sorted(others, key=lambda n: OPTIONAL.index(n) if n in OPTIONAL else len(OPTIONAL))


def _with_input(subject: Subject, found: RunningFeed, name: str) -> RunningFeed | str:
    """Return the feed with one more input, or why it is left out."""
    if not subject.inputs.forms(name):
        return "neither a table nor the documentation says its shape"
    refusal = ""
    for form in _fitting_forms(subject, found, name):
        search = _Search(subject, time.process_time() + MOST_SECONDS / 4)
        plan = with_companions(subject, found.plan.with_form(name, form), name)
        other = search.run(plan, tries=_TRIES_OF_AN_INPUT, varies=False)
        if other is not None and name in other.feed.inputs:
            other = _without_superseded(subject, other, name)
            if why := _hiding_refused(subject.model, other, name):
                refusal = refusal or f"a mask that hides something: {why}"
                continue
            return other if not (reason := _needless(subject.model, other, name)) else reason
        if search.failure is not None:
            refusal = refusal or shown(search.failure.error)
    return f"eager refuses it: {refusal}"


def _without_superseded(subject: Subject, found: RunningFeed, name: str) -> RunningFeed:
    """Return the feed without an input that moves nothing beside one that says more."""
    less, _ = SUPERSEDED.get(name, ("", 0))
    if less not in found.feed.inputs or not is_inert(moved_by(subject.model, found, less)):
        return found
    other = _Search(subject, 0.0).run(found.plan.without(less), tries=1, varies=False)
    return other or found


def _hiding_refused(model: Any, found: RunningFeed, name: str) -> str:
    """Return the error of eager for a mask that hides something; models ignore a mask of ones."""
    if found.feed.inputs[name].kind not in MASKS:
        return ""
    try:
        call(model, _with_redrawn(found.feed, name))
    except Exception as error:  # eager refuses feeds with many kinds of errors
        return shown(error)
    return ""


def _needless(model: Any, found: RunningFeed, name: str) -> str:
    """Return why an input is not worth feeding: it moves nothing, or another one no longer does."""
    moved = moved_by(model, found, name)
    if is_inert(moved):
        return f"moves no output ({moved:.1g})"
    for other in found.feed.inputs:
        if other != name and is_inert(moved_by(model, found, other)):
            return f"{other} moves no output beside it"
    return ""


def _fitting_forms(subject: Subject, found: RunningFeed, name: str) -> list[int]:
    """Return the forms that have no axis of their own; all forms if each has one."""
    known = set(found.feed.labels)
    forms = list(range(len(subject.inputs.forms(name))))
    less, most = SUPERSEDED.get(name, ("", 0))
    if less in found.feed.inputs:
        forms.sort(key=lambda form: form != most)
    plans = [found.plan.with_form(name, form) for form in forms]
    fitting = [f for f in forms if known.issuperset(assemble(subject, plans[f]).labels)]
    return fitting or forms


def moved_by(model: Any, found: RunningFeed, name: str) -> float:
    """Return how far an input moves the outputs when it is redrawn.

    An input that cannot be redrawn alone, such as a grid, is left out instead. A refusal counts as
    a movement of 1: eager reads the input.
    """
    try:
        return movement(found.outputs, call(model, _with_redrawn(found.feed, name)))
    except Exception:  # eager refuses feeds with many kinds of errors
        return 1.0


def _with_redrawn(proposed: ProposedFeed, name: str) -> dict[str, torch.Tensor]:
    """Return a feed with other values of one input, or without it if it has no others."""
    feed = proposed.draw(proposed.export_sizes, seed=SEED)
    other = redrawn(proposed, feed, name)
    changed = {n: tensor for n, tensor in feed.items() if n != name}
    return changed if other is None else {**changed, name: other}


def inert_inputs(model: Any, feed: ProposedFeed) -> dict[str, float]:
    """Return the inputs that move no output by more than noise, each with its movement."""
    outputs = call(model, feed.draw(feed.export_sizes, seed=SEED))
    found = RunningFeed(FeedPlan({}, {}), feed, outputs)
    moved = {name: moved_by(model, found, name) for name in feed.inputs}
    return {name: far for name, far in moved.items() if is_inert(far)}
