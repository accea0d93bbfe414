"""Eager PyTorch's rounding error: float32 outputs against float64 outputs of the same model.

Tolerances are measured against it. It does not include operations that the model always computes
in float32, such as the variance in T5's norm, because they round alike on both sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.configs.atol import LEAST_ATOL
from harness.errors import one_line
from harness.evidence.reference import EagerError
from harness.evidence.tolerance import Tolerance
from harness.requirements.shared.comparison import ROUNDING_FACTOR, compare

if TYPE_CHECKING:
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.evidence.example import Example
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Sides
    from harness.requirements.shared.requirement import Examined, Measure

EXAMPLES = 300
"""Enough for a stable maximum: with 30 examples it varies by a factor of four between seeds."""
MASKED = 1e30
"""Numbers of at least this magnitude are no values: they fill masked positions, and are the least
number of float32 or of float64, or infinite."""
NO_LIMIT = Tolerance.given(math.inf)
"""With this tolerance, a comparison finds only what no tolerance allows, such as a wrong shape."""


class UnmeasurableError(Exception):
    """Two sides differ in a way that no tolerance allows, such as a shape, or eager refuses."""


def largest_allowed_atol(rounding: float) -> float:
    """Return the largest atol that is allowed for a model with this eager rounding error."""
    return max(LEAST_ATOL, ROUNDING_FACTOR * rounding)


def eager_rounding(
    model: nn.Module, config: OnnxConfig, *, count: int = EXAMPLES, seed: int = 0
) -> float:
    """Return the largest of `eager_roundings`."""
    return max(eager_roundings(model, config, count=count, seed=seed))


def eager_roundings(
    model: nn.Module, config: OnnxConfig, *, count: int = EXAMPLES, seed: int = 0
) -> Iterator[float]:
    """Yield max |float32 - float64| of every eager output, for every part and all parts together.

    The examples are the corners and `count` drawn ones. Raises UnmeasurableError if float32 and
    float64 outputs cannot be compared.
    """
    from harness.evidence.cell_files import Source
    from harness.evidence.evidence import Evidence
    from harness.evidence.session import single_thread
    from harness.judge.examples import draw_examples

    evidence = Evidence(model=model, config=config, source=Source())
    for example in draw_examples(config.axis_space, count=count, seed=seed):
        for sides in evidence.sides:
            with single_thread():
                measures = measure_rounding_of(sides, example)
            yield from (measure.max_abs_diff for measure in measures)


def measure_rounding_of(sides: Sides, example: Example) -> tuple[Measure, ...]:
    """Measure each eager output's distance to float64 on an example.

    Raises UnmeasurableError if they cannot be compared, and EagerError if eager refuses the feed.
    """
    return distances_to_float64(sides.reference(example), float64_outputs(sides, example))


def float64_outputs(sides: Sides, example: Example) -> Arrays:
    """Return eager's outputs in float64; raises UnmeasurableError if it refuses the example."""
    try:
        return sides.eager.in_float64(sides.feed(example))
    except EagerError as error:
        raise UnmeasurableError(
            f"eager PyTorch in float64: got {one_line(error)}, expected it to accept the inputs "
            "that it accepts in float32"
        ) from error


def distances_to_float64(got: Arrays, expected: Arrays) -> tuple[Measure, ...]:
    """Measure each output's distance to float64.

    Both are converted to float64 first: a model may end in float32 whatever its weights are. What
    a mask filled with the least number of a dtype is the same in both.
    """
    return measures_or_raise(compare(_as_float64(expected), _as_float64(got), NO_LIMIT))


def _as_float64(arrays: Arrays) -> Arrays:
    import numpy as np

    return {
        n: np.clip(a.astype(np.float64), -MASKED, MASKED) if a.dtype.kind == "f" else a
        for n, a in arrays.items()
    }


def measures_or_raise(examined: Examined) -> tuple[Measure, ...]:
    """Return the measures of a comparison; raises UnmeasurableError if it has findings."""
    if examined.findings:
        raise UnmeasurableError(examined.findings[0].message)
    return examined.measures
