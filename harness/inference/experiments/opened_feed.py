"""A feed with labels for sizes that rules take as fixed, so that an experiment can free them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.inference.experiments.reading import repeated

if TYPE_CHECKING:
    import torch

    from harness.inference.feeds.proposed_feed import ProposedFeed

_OPENED = "floats"
"""The kind of inputs whose values may be repeated along any axis."""


@dataclass(frozen=True, slots=True)
class OpenedInput:
    """An input with a label for each axis."""

    axes: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class OpenedFeed:
    """A proposed feed in which each fixed size of real numbers is a label, `input_axis`."""

    feed: ProposedFeed

    @property
    def inputs(self) -> Mapping[str, OpenedInput]:
        """The inputs with their labels."""
        return {
            name: OpenedInput(
                tuple(label_of(name, i) if isinstance(axis, int) else axis for i, axis in own)
                if one.kind == _OPENED
                else one.axes
            )
            for name, one in self.feed.inputs.items()
            for own in [list(enumerate(one.axes))]
        }

    @property
    def export_sizes(self) -> Mapping[str, int]:
        """The first size of each label."""
        return {**self.feed.export_sizes, **self._opened}

    @property
    def _opened(self) -> dict[str, int]:
        return {
            label_of(name, index): axis
            for name, one in self.feed.inputs.items()
            for index, axis in enumerate(one.axes)
            if isinstance(axis, int) and one.kind == _OPENED
        }

    def draw(self, sizes: Mapping[str, int], *, seed: int) -> dict[str, torch.Tensor]:
        """Return tensors of these sizes, their values repeated where a fixed size has grown."""
        own = {name: size for name, size in sizes.items() if name in self.feed.export_sizes}
        drawn = self.feed.draw(own, seed=seed)
        opened = self._opened
        for name, tensor in drawn.items():
            for index in range(tensor.ndim):
                label = label_of(name, index)
                if label in opened and sizes[label] != opened[label]:
                    drawn[name] = repeated(drawn[name], index, sizes[label])
        return drawn


def label_of(name: str, axis: int) -> str:
    """Return the label of a fixed size of an input."""
    return f"{name}_{axis}"
