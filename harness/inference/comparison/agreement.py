"""Compares inference with registered descriptions: both must say the same where both speak.

Inference knows the names of inputs, and their values at sizes that it asks for. It starts with a
label of its own for each axis of each input.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from harness.configs.cache_layout import CacheEntry, CacheKind, is_past
from harness.configs.task_table import base_task
from harness.configs.tasks import TasksManager
from harness.evidence.exceptions import Violation, read_exceptions, unexcused
from harness.evidence.fixtures import TinyModel
from harness.evidence.models import read_tiny, tiny_model
from harness.evidence.reference import call_reference
from harness.inference.caches.entries import FoundEntry, find_entries
from harness.inference.caches.steps import TOKEN_INPUTS, InferredSteps, infer_steps, token_axis
from harness.inference.comparison.compared_part import (
    INPUTS,
    OUTPUTS,
    ComparedPart,
    agree,
    renamed,
    without_end,
)
from harness.inference.comparison.described_feed import DescribedFeed
from harness.inference.experiments.axes import UnusableFeedError, infer_axes
from harness.inference.experiments.eager_model import EagerModel
from harness.inference.experiments.experiment import Budget, Experiment, Place
from harness.inference.experiments.inferred_axes import InferredAxes, OutputAxis
from harness.inference.experiments.landmarks import Landmark, read_landmarks

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig

CACHE, STEPS = "inferred-cache", "inferred-steps"
RULES = frozenset({INPUTS, OUTPUTS, CACHE, STEPS})
"""The rules of agreement, for exceptions of tiny models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The differences between inference and a description. Names are `part:place`."""

    differences: tuple[Violation, ...]
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAgreement:
    """The agreement of one tiny model and task.

    `problems` are the differences without an exception in the tiny model's file, and the exceptions
    that nothing needs.
    """

    agreement: Agreement
    problems: tuple[str, ...]


def agreement_of_pair(tiny: TinyModel, task: str, *, budget: Budget | None = None) -> PairAgreement:
    """Compare the description of a tiny model for a task with inference."""
    model = tiny_model(tiny.architecture, task, tiny.variant)
    constructor = TasksManager.get_exporter_config_constructor("onnx", model, task=task)
    found = compare_with_inference(model, constructor(model.config), budget=budget)
    exceptions = read_exceptions(read_tiny(tiny.architecture, tiny.variant))
    own = [exception for exception in exceptions if exception.rule in RULES]
    problems = unexcused(found.differences, own, task)
    return PairAgreement(agreement=found, problems=tuple(problems))


def compare_with_inference(
    model: nn.Module,
    config: OnnxConfig,
    *,
    budget: Budget | None = None,
    masks: Collection[str] = (),
) -> Agreement:
    """Infer axes, outputs and cache of a description, and return where it says otherwise.

    Each part, and the cache of the whole, may take one `budget`. The axes of `masks` may be tied to
    other inputs although eager does not need that.
    """
    started = time.monotonic()
    comparison = _Comparison(model, config, budget or Budget(), masks)
    differences = tuple(comparison.differences())
    seconds = time.monotonic() - started
    return Agreement(differences=differences, calls=comparison.calls, seconds=seconds)


@dataclass(slots=True)
class _Comparison:
    model: nn.Module
    config: OnnxConfig
    budget: Budget
    masks: Collection[str] = ()
    calls: int = 0
    entries: dict[str, FoundEntry] = field(default_factory=dict)
    steps: InferredSteps | None = None
    outputs: dict[str, tuple[OutputAxis, ...]] = field(default_factory=dict)
    """The outputs of the parts that are done."""

    def differences(self) -> Iterator[Violation]:
        parts = self.config.parts
        caching = next((part for part in parts.values() if part.use_past), None)
        if caching is not None:
            yield from self._differences_of_cache(caching)
        for stem, part in parts.items():
            yield from self._differences_of_part(stem, part)

    @property
    def _landmarks(self) -> tuple[Landmark, ...]:
        return read_landmarks(self.config.config.to_dict())

    def _differences_of_cache(self, part: OnnxConfig) -> Iterator[Violation]:
        """Compare the cache that eager makes from the inputs of the whole."""
        whole = type(self.config)(self.config.config, base_task(self.config.task))
        feed = DescribedFeed(whole)
        eager = EagerModel(self.model, use_cache=True)
        experiment = Experiment(call=eager, feed=feed, budget=self.budget)
        try:
            axes = infer_axes(experiment)
            self.steps = infer_steps(eager, feed, axes)
            found = find_entries(self.steps.before, self.steps.after, axes)
        except (UnusableFeedError, ValueError, KeyError) as error:
            yield Violation(CACHE, "*", f"nothing could be inferred: {error!r}")
            return
        finally:
            self.calls += experiment.calls
        self.entries = {one.entry.name: one for one in found}
        tokens = token_axis(feed, axes)
        texts = {} if tokens is None else {tokens.name: part.past_axis}
        names = {**_declared_names(whole, axes), **texts}
        declared = {entry.name: entry for entry in part.cache}
        for name in sorted(declared.keys() ^ self.entries.keys()):
            problem = "is not declared" if name in self.entries else "is not in eager's cache"
            yield Violation(CACHE, name, problem)
        for name in sorted(declared.keys() & self.entries.keys()):
            for details in _entry_differences(declared[name], self.entries[name], names, part):
                yield Violation(CACHE, name, details)
        yield from _step_differences(part, self.config, self.steps)

    def _differences_of_part(self, stem: str, part: OnnxConfig) -> Iterator[Violation]:
        feed = DescribedFeed(part, self._known_axes(part))
        call = partial(_reference_tensors, self.model, part)
        experiment = Experiment(call=call, feed=feed, budget=self.budget)
        try:
            axes = infer_axes(experiment, self._landmarks)
        except UnusableFeedError as error:
            yield Violation(INPUTS, f"{stem}:*", f"eager refuses the first feed: {error}")
            return
        finally:
            self.calls += experiment.calls
        if not axes.is_complete:
            yield Violation(INPUTS, f"{stem}:*", f"the budget ended after {axes.calls} calls")
            return
        self.outputs |= axes.outputs
        for one in ComparedPart(part, feed, axes, self.masks).violations():
            yield replace(one, name=f"{stem}:{one.name}")

    def _known_axes(self, part: OnnxConfig) -> dict[Place, str | int]:
        """Return labels and sizes of axes of inputs that earlier experiments found."""
        known = dict(self._known_of_cache(part))
        for name in part.inputs:
            argument = part.call.argument_of(name)
            earlier = self.outputs.get(argument.rpartition(".")[2], ())
            if "." in argument:  # a field of the result of another part
                known |= {
                    (name, i): axis.first for i, axis in enumerate(earlier) if axis.is_constant
                }
        several_is_right = self.steps is None or self.steps.several_is_right
        if self.config.steps_singly or not several_is_right:
            first = part.generate_dummy_inputs()
            single = (name for name in TOKEN_INPUTS if name in first and first[name].shape[-1] == 1)
            known |= {(name, first[name].ndim - 1): 1 for name in single}
        return known

    def _known_of_cache(self, part: OnnxConfig) -> Iterator[tuple[Place, str | int]]:
        """Yield labels that the whole cache shares, and fixed sizes."""
        windowed = {entry.name for entry in part.cache if entry.kind is CacheKind.WINDOW}
        for name in filter(is_past, part.inputs):
            if name in self.entries:
                entry = self.entries[name].entry
                for axis, size in entry.fixed.items():
                    yield (name, axis), size
                for axis, text in entry.axes.items():
                    grows_on = without_end(text)
                    if name not in windowed or grows_on == text:
                        yield (name, axis), f"cache.{grows_on}"


def _reference_tensors(
    model: nn.Module, part: OnnxConfig, feed: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    import torch

    arrays = call_reference(model, part, feed)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _declared_names(whole: OnnxConfig, axes: InferredAxes) -> dict[str, str]:
    """Return axis in inferred expressions -> the declared text of its first input."""
    found: dict[str, str] = {}
    for axis in axes.axes:
        name, _, index = axis.labels[0].rpartition(".")
        found[axis.name] = whole.inputs[name].get(int(index), axis.name)
    return found


def _entry_differences(
    declared: CacheEntry, found: FoundEntry, names: Mapping[str, str], part: OnnxConfig
) -> Iterator[str]:
    """Yield how a declared entry differs.

    A description may keep all keys of a layer whose window eager keeps alone: masks apply the
    window.
    """
    entry = found.entry
    keeps_all = declared.kind is CacheKind.KEYS_VALUES and entry.kind is CacheKind.WINDOW
    if declared.kind is not entry.kind and not keeps_all:
        yield f"eager's entry is of the kind {entry.kind.value}; declared is {declared.kind.value}"
    if (declared.held, declared.layer, declared.side) != (entry.held, entry.layer, entry.side):
        yield f"eager holds it as {entry.held}; declared is {declared.held}"
    for axis in sorted(declared.axes.keys() | entry.axes.keys()):
        own = entry.axes.get(axis, "constant")
        text = renamed(without_end(own) if keeps_all else own, names)
        expected = declared.axes.get(axis)
        if expected is None or not agree(text, expected, part.axis_space):
            yield f"axis {axis} is {text} in eager; declared is {expected}"
    for axis, size in declared.fixed.items():
        if entry.fixed.get(axis, size) != size:
            yield f"axis {axis} has the size {entry.fixed[axis]} in eager; declared is {size}"


def _step_differences(
    part: OnnxConfig, config: OnnxConfig, steps: InferredSteps
) -> Iterator[Violation]:
    worst = max(steps.checks, key=lambda check: check.difference)
    if not steps.single_is_right:
        yield Violation(STEPS, "1", f"eager's steps of one token are wrong: {worst}")
    if not steps.several_is_right and not (part.steps_singly or config.steps_singly):
        yield Violation(STEPS, "several", f"eager's steps of several tokens are wrong: {worst}")
