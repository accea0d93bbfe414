"""The axes of a model by experiment: which are free, and how each axis of an output follows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from harness.configs.axes import AxisSizes
from harness.inference.experiments.experiment import BudgetError, Experiment, Observation
from harness.inference.experiments.forms import Form, fitting_forms
from harness.inference.experiments.inferred_axes import (
    Ceiling,
    InferredAxes,
    InferredAxis,
    OutputAxis,
)
from harness.inference.experiments.joint import AxisDomain, fit_axes
from harness.inference.experiments.landmarks import Landmark, LandmarkKind
from harness.inference.experiments.loose_followers import followed_length
from harness.inference.experiments.reading import loose_labels
from harness.inference.experiments.sizes import find_sizes
from harness.inference.experiments.ties import TiedLabels, Ties, find_ties, quoted

SEEDS = (1, 2, 3, 4, 5)
"""Feeds of the first sizes with other values: they show which sizes the values decide."""

HELD_OUT = 6
"""Sizes that no form is fitted to, and that each has to predict."""

_MOST_STRIDE = 64


class UnusableFeedError(Exception):
    """Eager refuses the first feed, so nothing can be found out."""


def infer_axes(experiment: Experiment, landmarks: Sequence[Landmark] = ()) -> InferredAxes:
    """Return what the sizes of inputs may be, and how the sizes of outputs follow.

    Raises UnusableFeedError if eager refuses the first feed. If the budget ends, what was found
    until then is returned.
    """
    if experiment.observe({}) is None:
        raise UnusableFeedError(experiment.why_refused({}))
    inference = _Inference(experiment, landmarks)
    is_complete = True
    try:
        inference.run()
    except BudgetError:
        is_complete = False
    return InferredAxes(
        axes=tuple(inference.axes),
        followers=inference.ties.followers,
        fixed=inference.ties.fixed,
        outputs=inference.outputs,
        ceilings=tuple(inference.ceilings),
        calls=experiment.calls,
        seconds=experiment.seconds,
        is_complete=is_complete,
    )


class _Inference:
    """The steps of one inference, and what they found so far."""

    def __init__(self, experiment: Experiment, landmarks: Sequence[Landmark]) -> None:
        self.experiment = experiment
        self.landmarks = landmarks
        self.ties = Ties()
        self.axes: list[InferredAxis] = []
        self.ceilings: list[Ceiling] = []
        self.outputs: dict[str, tuple[OutputAxis, ...]] = {}

    def run(self) -> None:
        strides = [mark.value for mark in self.landmarks if mark.value <= _MOST_STRIDE]
        loose = loose_labels(self.experiment)
        alike = self._alike(loose)
        self.experiment.held |= {n: size for n, size in loose.items() if n not in alike}
        self.ties = find_ties(self.experiment, strides, alike)
        self.experiment.held |= {n: loose[n] for n in alike if n not in self.ties.followers}
        self.axes += [self._axis(tied) for tied in self.ties.axes]
        self._follow(loose)
        self.ceilings += self._ceilings()
        varying = self._varying_places()
        held_out = list(self._held_out())
        start = self.experiment.observe({})
        for name, shape in start.shapes.items() if start else ():
            self.outputs[name] = tuple(
                self._output_axis((name, axis), held_out, varies=(name, axis) in varying)
                for axis in range(len(shape))
            )

    def _axis(self, tied: TiedLabels) -> InferredAxis:
        first = self.experiment.base[tied.name]
        marks = [mark.value for mark in self.landmarks if mark.kind is not LandmarkKind.STRIDE]
        sizes = find_sizes(
            lambda size: self._observe({quoted(tied.name): size}) is not None,
            first=first,
            known=tied.moved_to,
            landmarks=marks,
        )
        return InferredAxis(labels=tied.labels, first=first, sizes=sizes)

    def _observe(self, named: AxisSizes, *, seed: int = 0) -> Observation | None:
        """Call eager at sizes of axes, given by their names in expressions."""
        return self.experiment.observe(self._moves(named), seed=seed)

    def _moves(self, named: AxisSizes) -> dict[str, int]:
        labels = {quoted(tied.name): tied.name for tied in self.ties.axes}
        chosen = {labels[name]: size for name, size in named.items()}
        return self.ties.sizes(chosen, self.experiment.base)

    def _alike(self, loose: Mapping[str, int]) -> list[str]:
        """Return the loose labels that have the first size of some other label."""
        base = self.experiment.base
        firm = {size for label, size in base.items() if label not in loose}
        return [label for label in loose if base[label] in firm]

    def _follow(self, loose: Mapping[str, int]) -> None:
        """Give each label of which eager reads a part the size of that part."""
        followers = dict(self.ties.followers)
        for label, size in loose.items():
            longer = partial(self._moves_with, {label: size})
            found = followed_length(self.experiment, label, self._domains, longer)
            if found is not None:
                followers[label] = found
        self.experiment.held.clear()
        fixed = [n for n in (*self.ties.fixed, *loose) if n not in followers]
        self.ties = replace(self.ties, followers=followers, fixed=tuple(dict.fromkeys(fixed)))

    def _moves_with(self, more: AxisSizes, named: AxisSizes) -> dict[str, int]:
        return {**self._moves(named), **more}

    def _ceilings(self) -> Iterator[Ceiling]:
        """Yield each end of an axis, or of a sum that follows it, that the configuration states."""
        ends = [mark for mark in self.landmarks if mark.kind is LandmarkKind.END]
        for axis in self.axes:
            for mark in ends:
                top = axis.sizes.largest
                if top is None and mark.value < axis.sizes.accepted:
                    yield self._ceiling(axis.labels[0], mark, is_confirmed=False)
                elif top is not None:
                    yield from self._confirmed(axis, mark)

    def _confirmed(self, axis: InferredAxis, mark: Landmark) -> Iterator[Ceiling]:
        top = axis.sizes.largest
        if top == mark.value:
            yield self._ceiling(axis.labels[0], mark, is_confirmed=True)
        firsts = {one.name: one.first for one in self.axes}
        for label, text in self.ties.followers.items():
            if axis.name not in text.names or top is None:
                continue
            if text.evaluate({**firsts, axis.name: top}) == mark.value:
                yield self._ceiling(label, mark, is_confirmed=True)

    def _ceiling(self, axis: str, mark: Landmark, *, is_confirmed: bool) -> Ceiling:
        return Ceiling(axis=axis, path=mark.path, value=mark.value, is_confirmed=is_confirmed)

    def _varying_places(self) -> set[tuple[str, int]]:
        """Return the axes of outputs whose size differs between feeds of the same sizes."""
        seen = [self.experiment.observe({}, seed=seed) for seed in (0, *SEEDS)]
        shapes = [one.shapes for one in seen if one is not None]
        return {
            (name, axis)
            for name, shape in shapes[0].items()
            for axis, size in enumerate(shape)
            if any(_size(other, (name, axis)) != size for other in shapes)
        }

    def _output_axis(
        self, place: tuple[str, int], held_out: Sequence[Observation], *, varies: bool
    ) -> OutputAxis:
        start = self.experiment.observe({})
        first = start.shapes[place[0]][place[1]] if start else 0
        if varies:
            forms = self._forms_of_derived(place)
            return OutputAxis(first=first, forms=forms, depends_on_data=not forms)

        def measure(named: AxisSizes) -> int | None:
            seen = self._observe(named)
            return None if seen is None else _size(seen.shapes, place)

        forms = fit_axes(measure, self._domains)
        return OutputAxis(first=first, forms=self._predicting(forms, place, held_out))

    @property
    def _domains(self) -> list[AxisDomain]:
        return [AxisDomain(name=a.name, first=a.first, sizes=a.sizes) for a in self._free]

    @property
    def _free(self) -> list[InferredAxis]:
        return [axis for axis in self.axes if axis.is_free]

    def _forms_of_derived(self, place: tuple[str, int]) -> tuple[Form, ...]:
        """Return functions of a single label whose size the values decide."""
        for label in self.experiment.derived:
            points = {
                one.sizes[label]: size
                for one in self.experiment.observations
                if (size := _size(one.shapes, place)) is not None
            }
            for form in fitting_forms(quoted(label), points) if len(points) > 2 else ():
                if self._predicting((form,), place, list(self.experiment.observations)):
                    return (form,)
        return ()

    def _held_out(self) -> Iterator[Observation]:
        """Yield calls at sizes drawn by seed that change all axes at once."""
        draw = random.Random(0)
        for number in range(3 * HELD_OUT):
            share = 1 if number < HELD_OUT else 2
            named = {}
            for axis in self._free:
                every = axis.sizes.up_to_reach
                named[axis.name] = draw.choice(every[: max(1, len(every) // share)])
            seen = self._observe(named)
            if seen is not None:
                yield seen
            if number >= HELD_OUT and seen is not None:
                return

    def _predicting(
        self, forms: Sequence[Form], place: tuple[str, int], seen: Sequence[Observation]
    ) -> tuple[Form, ...]:
        """Return the forms that predict the size at each of these observations."""
        return tuple(
            form
            for form in forms
            if all(
                _size(one.shapes, place)
                == form.at({quoted(label): size for label, size in one.sizes.items()})
                for one in seen
            )
        )


def _size(shapes: Mapping[str, tuple[int, ...]], place: tuple[str, int]) -> int | None:
    name, axis = place
    shape = shapes.get(name, ())
    return shape[axis] if axis < len(shape) else None
