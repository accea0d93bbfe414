"""Runs eager PyTorch at chosen axis sizes, and keeps the shapes that it gives.

All inference asks eager through this module, so each question costs one call at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from harness.configs.axes import AxisSizes
from harness.errors import HarnessError, one_line

if TYPE_CHECKING:
    import torch

Place = tuple[str, int]
"""An input or output, and the index of one of its axes."""

Shape = tuple[int, ...]
Call = Callable[[Mapping[str, "torch.Tensor"]], Mapping[str, "torch.Tensor"]]
"""Calls eager on a feed and returns output name -> tensor; raises if eager refuses the feed."""


class ExperimentInput(Protocol):
    """An input of a feed. An axis is a label, whose size may change, or a number, its size."""

    @property
    def axes(self) -> tuple[str | int, ...]: ...


class ExperimentFeed(Protocol):
    """A source of feeds at chosen sizes.

    `export_sizes` has a first size for each label that can be chosen. The values of a feed decide
    the sizes of all other labels, such as the patches of images of several sizes.
    """

    @property
    def inputs(self) -> Mapping[str, ExperimentInput]: ...

    @property
    def export_sizes(self) -> Mapping[str, int]: ...

    def draw(self, sizes: Mapping[str, int], *, seed: int) -> dict[str, torch.Tensor]: ...


class BudgetError(HarnessError):
    """An experiment has used all calls or all time that it may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most calls of eager, and seconds, that one experiment may take."""

    calls: int = 1500
    seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One call that eager accepted.

    `sizes` has every label, also labels that the values decide; `shapes` is output name -> shape.
    """

    sizes: AxisSizes
    shapes: Mapping[str, Shape]


@dataclass(slots=True, kw_only=True)
class Experiment:
    """Calls of eager at chosen sizes of labels. Equal questions are asked once."""

    call: Call
    feed: ExperimentFeed
    budget: Budget = field(default_factory=Budget)
    calls: int = 0
    refusals: dict[tuple[tuple[str, int], ...], str] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    """Sizes, other than the first, of labels that a question leaves out."""
    _seen: dict[object, Observation | None] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)

    @property
    def base(self) -> AxisSizes:
        """The first sizes."""
        return self.feed.export_sizes

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels whose size can be chosen, in the order of the inputs."""
        placed = list(dict.fromkeys(label for label in self.places if label in self.base))
        return (*placed, *(label for label in self.base if label not in placed))

    @property
    def derived(self) -> tuple[str, ...]:
        """The labels whose size the values of a feed decide."""
        return tuple(label for label in self.places if label not in self.base)

    @property
    def places(self) -> Mapping[str, tuple[Place, ...]]:
        """Label -> where it stands in the inputs."""
        return places_of(self.feed)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def observations(self) -> Iterator[Observation]:
        """All calls that eager accepted, in their order."""
        return (one for one in self._seen.values() if one is not None)

    def runs(self, moves: AxisSizes) -> bool:
        """Whether eager accepts these sizes, with all other labels at their first size."""
        return self.observe(moves) is not None

    def observe(self, moves: AxisSizes, *, seed: int = 0) -> Observation | None:
        """Return what eager gives at these sizes, or None if it refuses them.

        Labels that are left out have their first size. Raises BudgetError if the budget is used.
        """
        sizes = self._sizes(moves)
        key = (tuple(sorted(sizes.items())), seed)
        if key not in self._seen:
            try:
                self._seen[key] = self._observed(sizes, seed)
            except BudgetError:
                raise
            except Exception as error:  # eager, and generators of feeds, may raise what they like
                self.refusals[key[0]] = f"{type(error).__name__}: {one_line(error)}"
                self._seen[key] = None
        return self._seen[key]

    def draw(self, moves: AxisSizes, *, seed: int = 0) -> dict[str, torch.Tensor]:
        """Return a feed of these sizes; raises what its generators raise."""
        return self.feed.draw(self._sizes(moves), seed=seed)

    def outputs(self, feed: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        """Return what eager gives for a feed; raises what eager raises."""
        self._require_budget()
        self.calls += 1
        return self.call(feed)

    def why_refused(self, moves: AxisSizes) -> str:
        """Return the error of eager at sizes that it refuses, or an empty text."""
        sizes = self._sizes(moves)
        return self.refusals.get(tuple(sorted(sizes.items())), "")

    def _sizes(self, moves: AxisSizes) -> dict[str, int]:
        return {**self.base, **self.held, **moves}

    def _observed(self, sizes: AxisSizes, seed: int) -> Observation:
        feed = self.feed.draw(sizes, seed=seed)
        derived = {
            label: int(feed[name].shape[axis])
            for label in self.derived
            for name, axis in self.places[label][:1]
        }
        outputs = self.outputs(feed)
        shapes = {name: tuple(map(int, tensor.shape)) for name, tensor in outputs.items()}
        return Observation(sizes={**sizes, **derived}, shapes=shapes)

    def _require_budget(self) -> None:
        if self.calls >= self.budget.calls or self.seconds >= self.budget.seconds:
            raise BudgetError(
                f"experiment: {self.calls} calls and {self.seconds:.0f} s are used of "
                f"{self.budget.calls} calls and {self.budget.seconds:.0f} s"
            )


def places_of(feed: ExperimentFeed) -> dict[str, tuple[Place, ...]]:
    """Return label -> where it stands in the inputs of a feed."""
    found: dict[str, tuple[Place, ...]] = {}
    for name, one in feed.inputs.items():
        for axis, label in enumerate(one.axes):
            if isinstance(label, str):
                found[label] = (*found.get(label, ()), (name, axis))
    return found


def together(labels: Sequence[str], size: int) -> dict[str, int]:
    """Return one size for several labels."""
    return dict.fromkeys(labels, size)
