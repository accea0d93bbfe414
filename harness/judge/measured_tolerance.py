"""Choose a tolerance, and measure it from eager PyTorch's own rounding if none is known.

A known tolerance is the tiny model's: stated by its description or stored in its file. Another
model of the architecture, with more layers or larger weights, rounds more or less than that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.configs.atol import LEAST_ATOL, given_atol
from harness.configs.feeds import is_ordinary
from harness.errors import one_line
from harness.evidence.fixtures import TinyModel, find_stored_atol
from harness.evidence.reference import EagerError
from harness.evidence.tolerance import Origin, Tolerance, ToleranceOf
from harness.judge.rounding import (
    MASKED,
    UnmeasurableError,
    distances_to_float64,
    float64_outputs,
    largest_allowed_atol,
)
from harness.judge.undecided import may_decide_nothing, may_leave_out
from harness.requirements.shared.comparison import ROUNDING_FACTOR

if TYPE_CHECKING:
    import numpy as np

    from harness.configs.atol import Atol
    from harness.configs.axis_space import AxisSpace
    from harness.configs.base import OnnxConfig
    from harness.evidence.example import Example
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Sides

EXAMPLES = 20
"""Number of examples that eager PyTorch computes in float64 too, at most.

They are taken at equal distances, and the largest is among them. A file may still differ by more on
another example: then that example's own rounding is measured before it counts as a failure."""

LARGEST_SHARE = 1e-3
"""Largest tolerance that can refuse a wrong file, as a share of the standard deviation of the
output's finite values."""


def choose_tolerance(atol: Atol | None, examples: Sequence[Example], *, task: str) -> ToleranceOf:
    """Return the tolerance that a caller gave, or else one that is measured on the examples.

    Raises UsageError if `atol` is negative, not finite or has no entry for the task.
    """
    if atol is None:
        return measured_on(examples)
    given = Tolerance.given(given_atol(atol, task))
    return lambda _: given


def tolerance_of_tiny(model: TinyModel, config: OnnxConfig) -> Tolerance | None:
    """Return the tolerance that the description states or the file of the tiny model stores.

    None if neither does: then it is measured.
    """
    if config.stated_atol is not None:
        return Tolerance.stated(config.stated_atol)
    _, stored = find_stored_atol(model, config.task)
    return None if stored is None else Tolerance.stored(stored)


def measured_on(examples: Sequence[Example]) -> ToleranceOf:
    """Return a function that measures the tolerance of a part when it is first called with it."""
    chosen = _choose(examples)

    def tolerance_of(sides: Sides) -> Tolerance:
        return sides.fact(("tolerance", *chosen), lambda: _measure(sides, chosen))

    return tolerance_of


def _choose(examples: Sequence[Example]) -> Sequence[Example]:
    if len(examples) <= EXAMPLES:
        return examples
    largest = max(examples, key=lambda example: math.prod(example.axes.values()))
    spaced = (examples[index * len(examples) // EXAMPLES] for index in range(EXAMPLES - 1))
    return tuple(dict.fromkeys([*spaced, largest]))


@dataclass(slots=True)
class Observed:
    """Eager's rounding of one output in each example, and the spread of its values over all."""

    space: AxisSpace
    roundings: dict[Example, float] = field(default_factory=dict)
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of the squared distances from the mean."""

    def add(self, example: Example, values: np.ndarray[Any, Any], rounding: float) -> None:
        import numpy as np

        self.roundings[example] = rounding
        finite = values[np.abs(values) < MASKED]
        if not finite.size:
            return
        mean = float(finite.mean(dtype=np.float64))
        total, distance = self.count + finite.size, mean - self.mean
        self.squares += float(finite.var(dtype=np.float64)) * finite.size
        self.squares += distance**2 * self.count * finite.size / total
        self.mean += distance * finite.size / total
        self.count = total

    @property
    def spread(self) -> float:
        """The standard deviation of all finite values."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    @property
    def atol(self) -> float:
        """10 x the largest rounding of the examples that decide, at least 1e-5.

        Examples may be left out if the tolerance would be too large with them: one in twenty, which
        is near a tie, such as two experts of a router that score alike; and all that may decide
        nothing, if an ordinary one stays.
        """
        limit = LARGEST_SHARE * self.spread / ROUNDING_FACTOR
        calm = [example for example, rounding in self.roundings.items() if rounding <= limit]
        others = [example for example in self.roundings if example not in calm]
        is_rare = may_leave_out(len(others), total=len(self.roundings))
        can_stay = any(is_ordinary(example.seed) for example in calm)
        leaves_out = is_rare or (
            can_stay and all(may_decide_nothing(one, calm, self.space) for one in others)
        )
        kept = calm if leaves_out else self.roundings
        return largest_allowed_atol(max((self.roundings[one] for one in kept), default=0.0))


def _measure(sides: Sides, examples: Sequence[Example]) -> Tolerance:
    """Measure each output of floating-point numbers. All others must be equal."""
    observed: dict[str, Observed] = {}
    exact: dict[str, float] = {}
    problems: list[str] = []
    for example in examples:
        try:
            reference = sides.reference(example)
        except EagerError:
            continue  # `agreement` reports it
        roundings = _roundings(sides, example, reference, problems)
        for name, values in reference.items():
            if values.dtype.kind == "f":
                one = observed.setdefault(name, Observed(sides.config.axis_space))
                one.add(example, values, roundings.get(name, math.inf))
            else:
                exact[name] = LEAST_ATOL
    by_output = exact | {name: one.atol for name, one in observed.items()}
    doubts = {name: _doubt(name, one, problems) for name, one in observed.items()}
    return Tolerance(
        Origin.MEASURED,
        max(by_output.values(), default=LEAST_ATOL),
        by_output,
        {name: doubt for name, doubt in doubts.items() if doubt is not None},
        {name: LARGEST_SHARE * one.spread for name, one in observed.items()},
    )


def _roundings(
    sides: Sides, example: Example, reference: Arrays, problems: list[str]
) -> Mapping[str, float]:
    """Return |float32 - float64| of each output; empty, and one more problem, if it is unknown."""
    try:
        measures = distances_to_float64(reference, float64_outputs(sides, example))
    except UnmeasurableError as error:
        problems.append(f"{one_line(error)} [{example}]")
        return {}
    return {measure.output: measure.max_abs_diff for measure in measures}


def _doubt(name: str, observed: Observed, problems: Sequence[str]) -> str | None:
    """Return why a wrong file could pass at the tolerance of an output, or None."""
    largest = LARGEST_SHARE * observed.spread
    if observed.atol <= largest:
        return None
    reason = (
        f"atol of {name}: got {observed.atol:.3g} ({Origin.MEASURED}, at least "
        f"{LEAST_ATOL:g}), expected at most {largest:.3g}, which is {LARGEST_SHARE:g} x the "
        "standard deviation of its values, so a wrong file could have passed; give --atol"
    )
    return f"{reason}; in float64, {problems[0]}" if problems else reason
