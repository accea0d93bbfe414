"""The domain of a cell: which examples may run, and which bounds they did not reach."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from harness.evidence.costs import DEFAULT_LIMITS, ExampleLimits, estimate_cost
from harness.judge.budget import important_first
from harness.records import Unreached

WORK_PER_SECOND = 2e9
"""Multiply-adds and bytes a second of a machine of two cores in float64, layer by layer."""

LEAST_MEASURED = 3

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.axes import AxisSizes
    from harness.configs.base import OnnxConfig
    from harness.evidence.costs import ExampleCost
    from harness.evidence.example import Example


@dataclass(frozen=True)
class Domain:
    """The axis sizes of a model that examples may have within limits of memory and time.

    `parameters` is the number of parameters of the model.
    """

    config: OnnxConfig
    parameters: int
    limits: ExampleLimits

    @classmethod
    def of(
        cls, model: nn.Module, config: OnnxConfig, limits: ExampleLimits = DEFAULT_LIMITS
    ) -> Self:
        """Return the domain of a model."""
        return cls(config, sum(tensor.numel() for tensor in model.parameters()), limits)

    def allows(self, sizes: AxisSizes) -> bool:
        """Whether an example of these sizes may run."""
        return self._all_allowed or self.limits.allow(self.cost(sizes))

    @functools.cached_property
    def _all_allowed(self) -> bool:
        """Whether even the largest size on every axis is allowed, as for tiny models."""
        ranges = self.config.axis_space.ranges.items()
        return self.limits.allow(self.cost({name: 2 * axis.high for name, axis in ranges}))

    def cost(self, sizes: AxisSizes) -> ExampleCost:
        """Return the estimated cost of an example of these sizes."""
        return estimate_cost(self.config, sizes, parameters=self.parameters)

    def to_measure(self, examples: Sequence[Example], *, seconds: float) -> Sequence[Example]:
        """Return the examples on which the tolerance is measured within a tenth of `seconds`.

        These are the first ones, in the order in which a budget runs them, whose work together is
        little enough, and three at least. So the bounds are among them if they can be: eager rounds
        most at positions far into a long window.
        """
        chosen: list[Example] = []
        left = seconds / 10 * WORK_PER_SECOND
        for example in important_first(examples, self.config.axis_space):
            needed = self.cost(example.axes).work
            if needed <= left or len(chosen) < LEAST_MEASURED:
                chosen.append(example)
                left -= needed
        return chosen

    def unreached(self, examples: Iterable[Example]) -> Iterator[Unreached]:
        """Yield the bounds of the model that none of these examples reached.

        A landmark beyond the end of the model's domain counts up to that end.
        """
        space = self.config.axis_space
        sizes = [example.axes for example in examples]
        for expression, size in space.bounds:
            row = space.row_at(expression, size)
            bound = expression.evaluate(row)
            reached = max(map(expression.evaluate, sizes), default=0)
            if reached < bound:
                yield Unreached(
                    landmark=expression.text, bound=bound, reached=reached, needs=self._needs(row)
                )

    def _needs(self, sizes: AxisSizes) -> str:
        cost = self.cost(sizes)
        return (
            f"{cost.memory / 2**30:.3g} GB of memory and {cost.operations / 1e9:.3g} billion "
            "multiply-adds"
        )
