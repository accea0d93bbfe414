"""Compares the inferred axes of one part with what its description declares."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from harness.configs.axes import AxisExpression
from harness.errors import DescriptionError
from harness.evidence.exceptions import Violation
from harness.inference.comparison.described_feed import DescribedFeed, label_of
from harness.inference.experiments.experiment import Place, places_of
from harness.inference.experiments.inferred_axes import InferredAxes, InferredAxis, OutputAxis
from harness.inference.experiments.ties import quoted

if TYPE_CHECKING:
    from harness.configs.axis_space import AxisSpace
    from harness.configs.base import OnnxConfig

INPUTS, OUTPUTS = "inferred-inputs", "inferred-outputs"

_NAME = re.compile(r"[A-Za-z_]\w*")
_END = re.compile(r"min\((.*), \d+\)")


@dataclass(frozen=True, slots=True)
class ComparedPart:
    """A part of a description and the axes that an experiment with its feed found.

    `masks` are inputs that have the sizes of other inputs, whether or not eager needs that.
    """

    part: OnnxConfig
    feed: DescribedFeed
    axes: InferredAxes
    masks: Collection[str] = ()

    def violations(self) -> Iterator[Violation]:
        """Yield each difference, named `input.axis` or `output.axis`."""
        for axis in self._free:
            yield from self._of_axis(axis)
        yield from self._needless_ties()
        yield from self._of_fixed()
        yield from self._of_followers()
        for name in self.part.outputs:
            yield from self._of_output(name)

    @property
    def names(self) -> Mapping[str, str]:
        """Axis in inferred expressions -> the declared text of its inputs."""
        labels = [axis.labels[0] for axis in self._free]
        derived = [label for label in self._places if label not in self.feed.export_sizes]
        texts = {
            quoted(label): text
            for label in (*labels, *derived)
            for place in self._places_of(label)
            if (text := self._declared(place)) is not None
        }
        members = {axis.name: axis.labels for axis in self._free}
        for name, own in members.items():  # the first label may be the undeclared one
            found = (self._declared(p) for label in own for p in self._places_of(label))
            texts.setdefault(name, next((text for text in found if text), name))
        return texts

    @property
    def _free(self) -> list[InferredAxis]:
        return [axis for axis in self.axes.axes if axis.is_free]

    @property
    def _places(self) -> Mapping[str, tuple[Place, ...]]:
        return places_of(self.feed)

    def _places_of(self, label: str) -> tuple[Place, ...]:
        """Return where a label stands; an axis name that no size tells stands nowhere alone."""
        return self._places.get(label, ())

    def _shown(self, label: str) -> str:
        """Return the first place of a label, or the axis name that stands nowhere alone."""
        return next((label_of(*place) for place in self._places_of(label)), label)

    def _declared(self, place: Place) -> str | None:
        name, axis = place
        return self.part.inputs[name].get(axis)

    def _of_axis(self, axis: InferredAxis) -> Iterator[Violation]:
        places = [place for label in axis.labels for place in self._places_of(label)]
        declared = {place: self._declared(place) for place in places}
        for place, text in declared.items():
            if text is None:
                yield _violation(place, f"eager accepts {axis.sizes}; no axis is declared")
        untold = {label for label in axis.labels if not self._places_of(label)}
        texts = sorted({text for text in declared.values() if text is not None} | untold)
        for one, other in combinations(texts, 2):
            if not agree(one, other, self.part.axis_space):
                details = f"eager needs equal sizes; declared are {one} and {other}"
                yield Violation(INPUTS, self._shown(axis.labels[0]), details)

    def _needless_ties(self) -> Iterator[Violation]:
        """Yield axes that a description ties, although eager accepts each size with any other."""
        texts: dict[str, InferredAxis] = {}
        for axis in self._free:
            text = self.names[axis.name]
            inputs = set(self._inputs_of(axis))
            if inputs and inputs <= set(self.masks):
                continue
            if text in texts:
                other = self._shown(texts[text].labels[0])
                details = f"eager needs no tie to {other}; both are {text}"
                yield Violation(INPUTS, self._shown(axis.labels[0]), details)
            texts.setdefault(text, axis)

    def _inputs_of(self, axis: InferredAxis) -> Iterator[str]:
        return (name for label in axis.labels for name, _ in self._places_of(label))

    def _of_fixed(self) -> Iterator[Violation]:
        irregular = [label for axis in self.axes.axes if not axis.is_free for label in axis.labels]
        for label in (*self.axes.fixed, *irregular):
            size = self.feed.export_sizes[label]
            for place in self._places_of(label):
                if (text := self._declared(place)) is not None:
                    yield _violation(place, f"eager accepts {size} alone; declared is {text}")
            if not self._places_of(label):
                yield Violation(INPUTS, label, f"eager accepts {size} alone; it is an axis name")

    def _of_followers(self) -> Iterator[Violation]:
        for label, expression in self.axes.followers.items():
            found = renamed(expression.text, self.names)
            for place in self._places[label]:
                text = self._declared(place)
                if text is None or not agree(found, text, self.part.axis_space):
                    yield _violation(place, f"eager reads {found}; declared is {text}")

    def _of_output(self, name: str) -> Iterator[Violation]:
        declared = self.part.outputs[name]
        for index, axis in enumerate(self.axes.outputs.get(name, ())):
            text = declared.get(index)
            if not self._output_agrees(axis, text):
                found = renamed(str(axis), self.names)
                yield Violation(
                    OUTPUTS, f"{name}.{index}", f"eager gives {found}; declared is {text}"
                )

    def _output_agrees(self, axis: OutputAxis, text: str | None) -> bool:
        if axis.depends_on_data:
            names = AxisExpression.parse(text).names if text else ()
            return not self.part.DERIVED_AXES.keys().isdisjoint(names)
        if text is None:
            return axis.is_constant
        return any(
            agree(renamed(form.text, self.names), text, self.part.axis_space) for form in axis.forms
        )


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Return an expression with declared texts in place of inferred names."""

    def replacement(match: re.Match[str]) -> str:
        declared = names.get(match[0], match[0])
        return declared if _NAME.fullmatch(declared) else f"({declared})"

    return _NAME.sub(replacement, text)


def without_end(text: str) -> str:
    """Return an expression that grows on where a window ends the given one."""
    cut = _END.fullmatch(text)
    return cut[1] if cut else text


def agree(one: str, other: str, space: AxisSpace) -> bool:
    """Whether two texts are one function of the axes; False if one is no expression."""
    try:
        return space.agree(AxisExpression.parse(one), AxisExpression.parse(other))
    except DescriptionError:
        return False


def _violation(place: Place, details: str) -> Violation:
    return Violation(INPUTS, label_of(*place), details)
