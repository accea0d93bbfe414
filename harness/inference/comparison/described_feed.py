"""The feed of a registered description, for experiments that know nothing but its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.configs.axes import AxisExpression, AxisSizes
from harness.configs.cache_layout import kept_length
from harness.configs.dummy_feeds import DummyFeeds
from harness.errors import HarnessError
from harness.inference.comparison.untold_names import UntoldNames
from harness.inference.experiments.experiment import Place
from harness.inference.experiments.sizes import REACH

if TYPE_CHECKING:
    import torch

    from harness.configs.base import OnnxConfig


@dataclass(frozen=True, slots=True)
class DescribedInput:
    """An input of a description: a label of its own for each axis."""

    axes: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class DescribedFeed:
    """Draws feeds of a description in which each axis of each input has a label of its own.

    A label is `input.axis`, such as `attention_mask.1`. `known` has labels and fixed sizes of axes
    that are known otherwise, such as the axes of a cache. The description gives the values, at the
    sizes of its own axis names that fit; each tensor is then cut or repeated to the sizes of its
    labels. So sizes may contradict the description. Axes that are derived keep the size that the
    values decide, and a cache that keeps a window the size that the past decides. So do axes of
    several names that no size tells, such as `grid_height * grid_width`: these names are labels
    themselves.
    """

    config: OnnxConfig
    known: Mapping[Place, str | int] = field(default_factory=dict)
    inputs: Mapping[str, DescribedInput] = field(init=False)
    export_sizes: Mapping[str, int] = field(init=False)
    names: Mapping[str, int] = field(init=False)
    untold: UntoldNames = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "untold", UntoldNames.of(self.config))
        first = self._described(self.config.axis_space.export_sizes, seed=0)
        names = self._apart(first)
        shapes = {n: tuple(t.shape) for n, t in self._described(names, seed=0).items()}
        inputs = {
            name: DescribedInput(tuple(self._axis(name, axis) for axis in range(len(shape))))
            for name, shape in shapes.items()
        }
        sizes = {
            label: size
            for name, shape in shapes.items()
            for axis, size in enumerate(shape)
            if isinstance(label := self._axis(name, axis), str)
            if not self._is_derived(name, axis)
        }
        sizes |= {name: names[name] for name in self.untold.names}
        for attribute, value in (("inputs", inputs), ("export_sizes", sizes), ("names", names)):
            object.__setattr__(self, attribute, value)

    def draw(self, sizes: Mapping[str, int], *, seed: int) -> dict[str, torch.Tensor]:
        """Return tensors of these sizes; raises what a generator raises."""
        feed = self._described({**self.names, **self._names_at(sizes)}, seed=seed)
        return {name: self._fitted(name, tensor, sizes) for name, tensor in feed.items()}

    def _described(self, names: AxisSizes, *, seed: int) -> dict[str, torch.Tensor]:
        """Draw at sizes of axis names, or at the nearest ones that the description admits."""
        try:
            return DummyFeeds(self.config).draw(names, seed=seed)
        except (HarnessError, RuntimeError, IndexError, ValueError):
            return DummyFeeds(self.config).draw(self.config.axis_space.fit(names), seed=seed)

    def _names_at(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Return the smallest size of each axis name that a label asks for.

        A mask that is longer than what it hides therefore does not change the rest.
        """
        found = {name: sizes[name] for name in self.untold.names if name in sizes}
        asked = sorted(self._asked(sizes), key=lambda pair: pair[1], reverse=True)
        found |= {text.text: size for text, size in asked if text.is_plain}
        for text, size in reversed(asked):
            for name in (n for n in text.names if n not in found and n in self.names):
                largest = text.largest_size(name, {**self.names, **found}, limit=size)
                if text.evaluate({**self.names, **found, name: largest}) == size:
                    found[name] = largest
                    break
        return found

    def _asked(self, sizes: AxisSizes) -> Iterator[tuple[AxisExpression, int]]:
        """Yield the declared axes of inputs with the size that their label has."""
        for name, axes in self.config.inputs.items():
            for axis, text in axes.items():
                label = self._axis(name, axis)
                if isinstance(label, str) and label in sizes:
                    yield AxisExpression.parse(text), sizes[label]

    def _fitted(self, name: str, tensor: torch.Tensor, sizes: AxisSizes) -> torch.Tensor:
        """Cut or repeat a tensor along each axis that a label gives another size."""
        import torch

        for axis, own in enumerate(tensor.shape):
            label = self._axis(name, axis)
            size = label if isinstance(label, int) else sizes.get(label, own)
            if size != own and own > 0:
                tensor = tensor.index_select(axis, torch.arange(size) % own)
        return tensor

    def _axis(self, name: str, axis: int) -> str | int:
        return self.known.get((name, axis), label_of(name, axis))

    def _is_derived(self, name: str, axis: int) -> bool:
        text = self.config.inputs[name].get(axis)
        if text is None:
            return False
        names = AxisExpression.parse(text).names
        is_told = self.config.DERIVED_AXES.keys().isdisjoint(names) and text not in self._kept
        return text in self.untold.texts or not is_told

    @property
    def _kept(self) -> set[str]:
        """The lengths of layers that keep their window."""
        past, windows = self.config.past_axis, {entry.window for entry in self.config.cache}
        return {kept_length(past, window) for window in windows - {None}}

    def _apart(self, first: Mapping[str, torch.Tensor]) -> dict[str, int]:
        """Return sizes of axis names that differ from each other and from all fixed sizes.

        An experiment looks for ties among equal sizes first.
        """
        space, chosen = self.config.axis_space, dict(self.config.axis_space.export_sizes)
        taken = {
            int(tensor.shape[axis])
            for name, tensor in first.items()
            for axis in range(tensor.ndim)
            if axis not in self.config.inputs[name]
        }
        for name, size in sorted(chosen.items(), key=lambda pair: pair[1]):
            one = space.ranges[name]
            admitted = range(size, max(one.high, size) + 1, one.step)
            chosen[name] = next((s for s in admitted if s not in taken), size)
            taken.add(chosen[name])
        return space.fit({**chosen, **self._with_room(chosen)})

    def _with_room(self, sizes: AxisSizes) -> dict[str, int]:
        """Return longer sizes of lengths that must hold what other axes decide.

        So these other axes, such as the sides of an image, can grow to all sizes that are tried
        while the length stays.
        """
        found = {}
        for text, name in self.untold.solved.items():
            others = {n: REACH * size for n, size in sizes.items() if n != name}
            parsed = AxisExpression.parse(text)
            needed = parsed.evaluate({**others, name: sizes[name]})
            if needed == parsed.evaluate({**others, name: 0}):
                found[name] = needed
        return found


def label_of(name: str, axis: int) -> str:
    """Return the label of an axis of an input."""
    return f"{name}.{axis}"
