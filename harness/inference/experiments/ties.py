"""Finds which axes of inputs must change together, by changing them alone and in groups.

Labels that must be equal are equal in a first feed. So groups of labels of equal size are changed
together first, then all that can stay behind is left out again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from harness.configs.axes import AxisExpression, AxisSizes
from harness.inference.experiments.experiment import Experiment, together

_STRIDES = (2, 4, 8, 16, 32)
_NO_NAME = re.compile(r"\W+")
_FEW = 6
"""Groups of up to this many labels are examined by pairs too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TiedLabels:
    """Labels that have one size. `moved_to` is a size, other than the first, that eager accepts."""

    labels: tuple[str, ...]
    moved_to: int

    @property
    def name(self) -> str:
        return self.labels[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ties:
    """How the labels of a feed depend on each other.

    `followers` are labels whose size follows from axes, as an expression over the `quoted` first
    labels of these axes. `fixed` are labels that have their first size only.
    """

    axes: tuple[TiedLabels, ...] = ()
    followers: Mapping[str, AxisExpression] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()

    def sizes(self, chosen: AxisSizes, base: AxisSizes) -> dict[str, int]:
        """Return the sizes of all labels that can change, from the sizes of some axes by name."""
        named = {axis.name: chosen.get(axis.name, base[axis.name]) for axis in self.axes}
        found = {label: named[axis.name] for axis in self.axes for label in axis.labels}
        values = {quoted(name): size for name, size in named.items()}
        return found | {label: text.evaluate(values) for label, text in self.followers.items()}


def quoted(label: str) -> str:
    """Return a label as a name in axis expressions, which has letters, digits and underscores."""
    return _NO_NAME.sub("__", label)


def find_ties(
    experiment: Experiment, strides: Sequence[int] = (), loose: Collection[str] = ()
) -> Ties:
    """Return which labels move together, follow others, or are fixed.

    Labels that the experiment holds at another size are left out. `strides` are numbers of the
    configuration; sizes may have to grow by one of them, such as a patch. `loose` labels move with
    labels of their first size, without a proof that they have to.
    """
    return _Search(experiment, tuple(dict.fromkeys((*_STRIDES, *strides))), loose).run()


class _Search:
    """The state of one search: what is found so far."""

    def __init__(
        self, experiment: Experiment, strides: Sequence[int], loose: Collection[str]
    ) -> None:
        self.experiment = experiment
        self.loose = loose
        self.strides = strides
        self.base = experiment.base
        self.axes: list[TiedLabels] = []
        self.added: dict[str, list[str]] = {}
        """Follower -> the axes with which it grows by the same number."""
        self.scaled: dict[str, list[str]] = {}
        """Follower -> the axes in proportion to which it grows."""

    def run(self) -> Ties:
        fixed: list[str] = []
        groups: dict[int, list[str]] = {}
        for label in self._labels:
            groups.setdefault(self.base[label], []).append(label)
        for _, group in sorted(groups.items()):
            rest = [label for label in group if label not in self._followers]
            while rest:
                found = self._axis_among(rest)
                if found is None:
                    break
                self.axes.append(found)
                rest = [label for label in rest if label not in found.labels]
            fixed += rest
        followers = {label: self._expression(label) for label in self._followers}
        followers |= {label: self._axis_like(label) for label in self.loose}
        known = {label: text for label, text in followers.items() if text is not None}
        fixed += [label for label in followers if label not in known]
        fixed = [label for label in fixed if label not in known]
        return Ties(axes=tuple(self.axes), followers=known, fixed=tuple(fixed))

    def _axis_like(self, label: str) -> AxisExpression | None:
        """Return the only axis with the first size of a label; None if several or none have it."""
        names = [one.name for one in self.axes if self.base[one.name] == self.base[label]]
        return AxisExpression.parse(quoted(names[0])) if len(names) == 1 else None

    @property
    def _labels(self) -> list[str]:
        left_out = {*self.experiment.held, *self.loose}
        return [label for label in self.experiment.labels if label not in left_out]

    def _moves(self, labels: Sequence[str], size: int) -> dict[str, int]:
        """Return one size for labels, and for the loose labels of the same first size."""
        first = self.base[labels[0]]
        along = [label for label in self.loose if self.base[label] == first]
        return together((*labels, *along), size)

    @property
    def _followers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.added, *self.scaled)))

    def _axis_among(self, group: Sequence[str]) -> TiedLabels | None:
        """Return labels of a group that can change together, as few as possible."""
        for labels in self._candidates(group):
            for size in self._trial_sizes(labels):
                if self.experiment.runs(self._moves(labels, size)):
                    return TiedLabels(labels=self._needed(labels, size), moved_to=size)
            if found := self._with_followers(labels):
                return found
        return None

    def _candidates(self, group: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Yield the group, its labels at each axis index, then each label alone."""
        yield tuple(group)
        indexes: dict[str, list[str]] = {}
        for label in group:
            for _, axis in self.experiment.places.get(label, ()):
                indexes.setdefault(str(axis), []).append(label)
        if len(indexes) > 1:
            yield from (tuple(labels) for labels in indexes.values() if len(labels) > 1)
        if len(group) > 1:
            yield from ((label,) for label in group)

    def _trial_sizes(self, labels: Sequence[str]) -> list[int]:
        size = self.base[labels[0]]
        others = [size + 1, 2 * size, *(size + stride for stride in self.strides), size - 1]
        return [other for other in dict.fromkeys(others) if other > 0 and other != size]

    def _needed(self, labels: tuple[str, ...], size: int) -> tuple[str, ...]:
        """Leave out, in ever smaller pieces, labels that are independent of the others."""
        chunk = len(labels) // 2
        while chunk:
            pieces = [labels[start : start + chunk] for start in range(0, len(labels), chunk)]
            for piece in pieces:
                labels = self._without(labels, piece, size)
            chunk //= 2
        if 2 < len(labels) <= _FEW:
            for pair in combinations(labels, 2):
                labels = self._without(labels, pair, size)
        return labels

    def _without(
        self, labels: tuple[str, ...], left_out: Sequence[str], size: int
    ) -> tuple[str, ...]:
        """Leave out some labels if they and the others can each change alone.

        Eager accepts some sizes by accident of the values, so more than one is tried.
        """
        rest = tuple(label for label in labels if label not in left_out)
        sizes = [
            one
            for one in (size, 2 * self.base[labels[0]], 2 * size + 1)
            if self.experiment.runs(self._moves(labels, one))
        ]
        is_independent = (
            rest
            and set(left_out) <= set(labels)
            and all(
                self.experiment.runs(self._moves(some, one))
                for one in sizes
                for some in (rest, left_out)
            )
        )
        return rest if is_independent else labels

    def _with_followers(self, labels: tuple[str, ...]) -> TiedLabels | None:
        """Find labels of a larger size that grow when this group grows."""
        size = self.base[labels[0]]
        larger: dict[int, list[str]] = {}
        for label in self._labels:
            if self.base[label] > size:
                larger.setdefault(self.base[label], []).append(label)
        for other, followers in sorted(larger.items()):
            for new in (size + 1, 2 * size):
                for kind, value in (
                    (self.added, other + new - size),
                    (self.scaled, other * new // size),
                ):
                    moves = {**together(followers, value), **self._moves(labels, new)}
                    if self.experiment.runs(moves):
                        return self._followed(labels, new, followers, value, kind)
        return None

    def _followed(
        self,
        labels: tuple[str, ...],
        new: int,
        followers: Sequence[str],
        value: int,
        kind: dict[str, list[str]],
    ) -> TiedLabels:
        """Leave out followers and labels that may stay behind, and note the others."""

        def runs(some: Sequence[str], others: Sequence[str]) -> bool:
            return self.experiment.runs({**together(others, value), **self._moves(some, new)})

        for label in labels:
            rest = tuple(one for one in labels if one != label)
            if rest and runs(rest, followers):
                labels = rest
        for label in list(followers):
            rest_of_followers = [one for one in followers if one != label]
            if runs(labels, rest_of_followers):
                followers = rest_of_followers
        for follower in followers:
            kind.setdefault(follower, []).append(labels[0])
        return TiedLabels(labels=labels, moved_to=new)

    def _expression(self, label: str) -> AxisExpression | None:
        """Return the size of a follower, a sum or a product with a constant; None for others."""
        sums, factors = self.added.get(label, []), self.scaled.get(label, [])
        if sums and factors:
            return None
        if sums:
            rest = self.base[label] - sum(self.base[name] for name in sums)
            text = " + ".join(quoted(name) for name in sums)
            return AxisExpression.parse(f"{text} + {rest}" if rest else text)
        product = 1
        for name in factors:
            product *= self.base[name]
        scale, rest = divmod(self.base[label], product)
        text = " * ".join(quoted(name) for name in factors)
        return None if rest else AxisExpression.parse(f"{scale} * {text}" if scale > 1 else text)
