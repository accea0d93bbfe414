"""Steps 1 and 2 together: a tiny configuration whose model runs on a feed, and what it lacks."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.inference.configuration.draft_repairs import repaired_drafts
from harness.inference.configuration.module_classes import (
    classes_of_all_kinds,
    classes_of_default,
    module_classes,
)
from harness.inference.configuration.perturbations import perturbations
from harness.inference.configuration.plans import LADDER, Plan
from harness.inference.configuration.tiny_configuration import (
    TinyConfiguration,
    default_config,
    measured,
    tiny_configurations,
)
from harness.inference.feeds.eager_calls import are_finite, draws_random_numbers
from harness.inference.feeds.feed_search import (
    SEED,
    RunningFeed,
    finished_feed,
    inert_inputs,
    moved_by,
    running_feed,
)
from harness.inference.feeds.own_batches import with_own_batches
from harness.inference.feeds.proposed_feed import ProposedFeed
from harness.inference.stops import InferenceStopped, Stop, stopped

_MOST_SECONDS = 20.0
"""CPU seconds after which no further plan is tried."""
_MOST_REPAIRS = 8
_LAYERS = (4, 6)
_CLEAR = 1e-3
"""The share of an output's largest value that a clear movement exceeds."""
_SAME_ERRORS = 3
"""How often plans may end with one error before the others are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProposal:
    """A tiny configuration that runs and its feed; `inert` maps inputs to how little they move."""

    tiny: TinyConfiguration
    feed: ProposedFeed
    inert: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Running:
    tiny: TinyConfiguration
    model: Any
    found: RunningFeed


def propose(model_type: str, task: str) -> RunningProposal:
    """Return the first proposal that runs; raises InferenceStopped if none does."""
    running = _first_running(model_type, task)
    required = _required_classes(model_type, task)
    running = _with_all_classes(running, required)
    feed = finished_feed(running.model, running.found, task)
    feed = with_own_batches(running.model, feed, seed=SEED)
    tiny = replace(
        running.tiny,
        missing=_missing(running, required),
        questions=_questions(running),
    )
    return RunningProposal(tiny=tiny, feed=feed, inert=inert_inputs(running.model, feed))


def _first_running(model_type: str, task: str, plans: Sequence[Plan] = LADDER) -> _Running:
    default = default_config(model_type)
    deadline = time.process_time() + _MOST_SECONDS
    first: InferenceStopped | None = None
    errors: list[str] = []
    large: _Running | None = None
    for tiny in tiny_configurations(model_type, task, plans):
        try:
            running = _running(tiny, default, deadline)
        except InferenceStopped as error:
            first = first or error
            errors.append(error.details)
            if errors.count(error.details) >= _SAME_ERRORS or time.process_time() > deadline:
                break
            continue
        if running.tiny.is_small:
            return running
        large = _smaller(large, running)
        if time.process_time() > deadline:
            break
    if large is not None:
        return large
    assert first is not None
    raise first


def _smaller(one: _Running | None, other: _Running) -> _Running:
    return other if one is None or other.tiny.size < one.tiny.size else one


def _running(tiny: TinyConfiguration, default: Any, deadline: float) -> _Running:
    """Return the model of a configuration, or of a repaired one, with a feed that it accepts.

    Rules for errors come first, of the feed and of the settings. Then feeds are varied. After the
    deadline (of `time.process_time`) nothing else is tried.
    """
    waiting, tried = [tiny], [tiny]
    first: InferenceStopped | None = None
    for _ in range(_MOST_REPAIRS):
        if not waiting or time.process_time() > deadline:
            break
        one = waiting.pop(0)
        try:
            return _run(one, varies=False)
        except InferenceStopped as error:
            first = first or error
            for other in _repaired(one, default, error):
                if all(other.settings != known.settings for known in tried):
                    tried.append(other)
                    waiting.append(other)
    assert first is not None
    if first.stop is Stop.FORWARD and time.process_time() < deadline:
        return _run(tiny, varies=True)
    raise first


def _run(tiny: TinyConfiguration, *, varies: bool) -> _Running:
    """Return a model that runs with finite outputs and reacts to its values.

    Weights of other strengths are tried until it does. If it never reacts, the first finite one is
    returned.
    """
    finite: _Running | None = None
    for perturbation in (tiny.perturbation, *perturbations(_built(tiny))[1:]):
        one = tiny.with_perturbation(perturbation)
        model = _built(one)
        found = running_feed(model, tiny.task, varies=varies)
        if not are_finite(found.outputs):
            continue
        running = _Running(one, model, found)
        if _reacts(running):
            return running
        finite = finite or running
    if finite is None:
        raise InferenceStopped(Stop.NOT_FINITE, "with weights of any strength")
    return finite


def _reacts(running: _Running) -> bool:
    """Whether all inputs of real numbers move an output clearly."""
    inputs = running.found.feed.inputs
    names = [name for name, one in inputs.items() if one.kind == "floats"]
    return all(moved_by(running.model, running.found, n) > _CLEAR for n in names)


def _built(tiny: TinyConfiguration) -> Any:
    try:
        return tiny.build()
    except Exception as error:  # models refuse configurations with many kinds of errors
        raise stopped(Stop.BUILD, error) from error


def _repaired(
    tiny: TinyConfiguration, default: Any, stop: InferenceStopped
) -> Iterator[TinyConfiguration]:
    """Yield the configurations that rules derive from an error of the model, once they build."""
    error = stop.__cause__
    if error is None:
        return
    for draft in repaired_drafts(default, tiny.draft, error):
        with contextlib.suppress(Exception):  # a repair that does not build; the first error counts
            yield measured(tiny.model_type, tiny.task, draft, plan=tiny.plan)


def _required_classes(model_type: str, task: str) -> frozenset[str]:
    """Return the module classes of the default configuration, and of all kinds of layers.

    Defaults that do not build ask for nothing.
    """
    return classes_of_default(model_type, task) | classes_of_all_kinds(model_type, task)


def _missing(running: _Running, required: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(required - module_classes(running.model)))


def _with_all_classes(running: _Running, required: frozenset[str]) -> _Running:
    """Return a model with more layers if it has more of the classes then."""
    best = running
    tiny = running.tiny
    for layers in _LAYERS:
        if not _missing(best, required):
            break
        plans = [replace(tiny.plan, layers=layers)]
        try:
            other = _first_running(tiny.model_type, tiny.task, plans)
        except InferenceStopped:
            continue
        if len(_missing(other, required)) < len(_missing(best, required)):
            best = other
    return best


def _questions(running: _Running) -> tuple[str, ...]:
    """Return what rules cannot decide, with the options."""
    tiny, feed = running.tiny, running.found.feed
    questions = list(tiny.questions)
    if not tiny.is_small:
        size = f"{tiny.size} bytes of weights are too many"
        questions.append(f"{size}: which widths can be smaller?")
    if draws_random_numbers(running.model, feed.draw(feed.export_sizes, seed=SEED)):
        questions.append("two calls differ: which setting stops the model from drawing numbers?")
    return tuple(questions)
