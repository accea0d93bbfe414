"""Which inputs of a feed move an output, and whether all outputs are finite.

A model that does not react to an input cannot show that a file ignores it. So a scaffold is refused
if an input moves nothing.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.evidence.float64 import float64_by_default
from harness.evidence.model_copies import ModelCopies
from harness.evidence.reference import to_float64
from harness.inference.experiments.eager_model import EagerModel
from harness.inference.experiments.reading import changed_from
from harness.inference.feeds.eager_calls import is_finite

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.inference.experiments.experiment import ExperimentFeed

Tensors = Mapping[str, "torch.Tensor"]

LEAST_RATIO = 100.0
"""An input moves an output if that differs by so many times eager's own rounding."""

LEAST_NOISE = 1e-7
"""Of the largest value of an output: rounding is not taken as less."""

SEEDS = (0, 1, 2, 3, 4, 5)


class ProblemKind(enum.Enum):
    """What is wrong with a feed or a model.

    - `INERT`: an input moves no output.
    - `UNTESTED`: eager refuses every other value of an input, so whether it moves is unknown.
    - `STILL`: an output moves with no input.
    - `NON_FINITE`: an output has NaN or plus infinity, or no finite value.
    """

    INERT = "inert input"
    UNTESTED = "untested input"
    STILL = "still output"
    NON_FINITE = "non-finite output"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionProblem:
    """A problem, the input or output that has it, and what was measured."""

    kind: ProblemKind
    name: str
    details: str

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}: {self.details}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactions:
    """How far each input moves each output, as multiples of eager's rounding."""

    ratios: Mapping[str, Mapping[str, float]]
    untested: Mapping[str, str]
    non_finite: Sequence[str]
    outputs: Sequence[str]

    @property
    def problems(self) -> tuple[ReactionProblem, ...]:
        """All problems; none if each input moves some output, and each output is finite."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[ReactionProblem]:
        for name in self.non_finite:
            yield _problem(ProblemKind.NON_FINITE, name, "NaN or plus infinity with some feed")
        for name, moved in self.ratios.items():
            largest = max(moved.values(), default=0.0)
            if name not in self.untested and largest < LEAST_RATIO:
                details = f"moves the outputs by at most {largest:.3g} x eager's rounding"
                yield _problem(ProblemKind.INERT, name, f"{details}, expected {LEAST_RATIO:g} x")
        for name, why in self.untested.items():
            yield _problem(ProblemKind.UNTESTED, name, f"eager refuses other values: {why}")
        for output in self.outputs:
            if all(moved.get(output, 0.0) < LEAST_RATIO for moved in self.ratios.values()):
                yield _problem(ProblemKind.STILL, output, "no input moves it")


def _problem(kind: ProblemKind, name: str, details: str) -> ReactionProblem:
    return ReactionProblem(kind=kind, name=name, details=details)


def infer_reactions(
    model: nn.Module, feed: ExperimentFeed, *, seeds: Sequence[int] = SEEDS
) -> Reactions:
    """Exchange the values of each input, one after the other, and compare the outputs.

    Each input is tried with feeds of several seeds, until it moves some output. Raises what the
    model raises for the first feed.
    """
    return _Trial(model, feed, seeds).run()


@dataclass(slots=True)
class _Trial:
    model: nn.Module
    feed: ExperimentFeed
    seeds: Sequence[int]
    untested: dict[str, str] = field(default_factory=dict)
    non_finite: dict[str, None] = field(default_factory=dict)

    def run(self) -> Reactions:
        eager = EagerModel(self.model)
        first = self._draw(self.seeds[0])
        before = self._called(eager, first)
        noise = self._noise(first, before)
        ratios: dict[str, dict[str, float]] = {}
        for name in first:
            ratios[name] = dict.fromkeys(before, 0.0)
            for other in self._others(first, name):
                moved = self._ratios(eager, other, before, noise, name)
                ratios[name] = {n: max(ratios[name][n], moved.get(n, 0.0)) for n in before}
                if max(ratios[name].values(), default=0.0) >= LEAST_RATIO:
                    self.untested.pop(name, None)
                    break
        return Reactions(
            ratios=ratios,
            untested=self.untested,
            non_finite=tuple(self.non_finite),
            outputs=tuple(before),
        )

    def _draw(self, seed: int) -> dict[str, torch.Tensor]:
        return self.feed.draw(self.feed.export_sizes, seed=seed)

    def _called(self, eager: EagerModel, feed: Tensors) -> dict[str, torch.Tensor]:
        outputs = eager(feed)
        for name, tensor in outputs.items():
            if tensor.is_floating_point() and not is_finite(tensor):
                self.non_finite[name] = None
        return outputs

    def _noise(self, feed: Tensors, outputs: Tensors) -> dict[str, float]:
        """Return the distance of each output to float64, at least a share of its values.

        The share alone counts if eager in float64 is not finite where float32 is.
        """
        exact = self._exact(feed)
        distances = {name: _distance(exact[name], tensor) for name, tensor in outputs.items()}
        return {
            name: max(
                distances[name] if math.isfinite(distances[name]) else 0.0,
                LEAST_NOISE * _largest(tensor),
                LEAST_NOISE**2,
            )
            for name, tensor in outputs.items()
        }

    def _exact(self, feed: Tensors) -> Tensors:
        """Return the outputs in float64, or of weights moved by one bit if eager refuses float64.

        Some models convert values to float32 themselves, and multiply them by weights.
        """
        copies = ModelCopies(self.model)
        try:
            with float64_by_default():
                return EagerModel(copies.float64)(to_float64(feed))
        except Exception:  # eager may raise what it likes
            return EagerModel(copies.perturbed(seed=0))(feed)

    def _others(self, first: Tensors, name: str) -> Iterator[dict[str, torch.Tensor]]:
        """Yield feeds with other values of one input: drawn from other seeds, mixed, and changed.

        Values that other inputs depend on, such as placeholders, are kept by mixing only: rows and
        places exchange what they have, and so do the last two alone, such as the height and the
        width of a grid. A mask that shows everything has no other values at all, so some of its
        places are hidden. The rows of a batch come last: some models give NaN for a row of which
        nothing is shown.
        """
        for seed in self.seeds[1:]:
            drawn = self._draw(seed)[name]
            if drawn.shape == first[name].shape and not drawn.equal(first[name]):
                yield {**first, name: drawn}
        for axis in reversed(range(first[name].ndim)):
            for mixed in (first[name].roll(1, axis), _exchanged(first[name], axis)):
                if not mixed.equal(first[name]):
                    yield {**first, name: mixed}
            size = first[name].shape[axis]
            if size > 1 and first[name].unique().numel() == 1:
                for start in (size // 2, size - 1):
                    yield {**first, name: changed_from(first[name], axis, start)}

    def _ratios(
        self,
        eager: EagerModel,
        feed: Tensors,
        before: Tensors,
        noise: Mapping[str, float],
        name: str,
    ) -> dict[str, float]:
        try:
            after = self._called(eager, feed)
        except Exception as error:  # eager may raise what it likes
            self.untested.setdefault(name, f"{type(error).__name__}: {error}"[:200])
            return {}
        self.untested.pop(name, None)
        return {
            output: _distance(after[output], tensor) / noise[output]
            for output, tensor in before.items()
            if output in after
        }


def _exchanged(tensor: torch.Tensor, axis: int) -> torch.Tensor:
    """Return a tensor whose last two places along an axis are exchanged."""
    import torch

    before = max(0, tensor.shape[axis] - 2)
    first, last = tensor.tensor_split([before], dim=axis)
    return torch.cat([first, last.flip(axis)], dim=axis)


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the largest difference; infinite if the shapes differ, or one alone is finite."""
    if one.shape != other.shape:
        return float("inf")
    if one.numel() == 0:
        return 0.0
    both = one.isfinite() & other.isfinite()
    if not one.isfinite().equal(other.isfinite()):
        return float("inf")
    difference = (one.double() - other.double()).abs()
    return float(difference[both].max()) if both.any() else 0.0


def _largest(tensor: torch.Tensor) -> float:
    finite = tensor[tensor.isfinite()]
    return float(finite.double().abs().max()) if finite.numel() else 0.0
