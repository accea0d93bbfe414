"""Widens a measured tolerance by what eager PyTorch rounds on one more example."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.evidence.sides import EagerError
from harness.judge.rounding import (
    UnmeasurableError,
    distances_to_float64,
    float64_outputs,
    largest_allowed_atol,
)

if TYPE_CHECKING:
    from harness.evidence.sides import Example, Sides
    from harness.evidence.tolerance import Tolerance


def widened(tolerance: Tolerance, sides: Sides, example: Example) -> Tolerance:
    """Return a measured tolerance as it would be if this example had been measured too.

    A large model is measured on its cheapest examples, but rounds most at positions far into a long
    window. An output whose tolerance could then no longer refuse a wrong file keeps its tolerance.
    """
    try:
        exact = float64_outputs(sides, example)
        measures = distances_to_float64(sides.reference(example), exact)
    except (EagerError, UnmeasurableError):
        return tolerance
    by_output = dict(tolerance.by_output)
    for measure in measures:
        allowed = largest_allowed_atol(measure.max_abs_diff)
        if allowed <= tolerance.limits.get(measure.output, 0.0):
            by_output[measure.output] = max(allowed, tolerance.for_output(measure.output))
    largest = max(by_output.values(), default=tolerance.largest)
    return dataclasses.replace(
        tolerance, largest=max(largest, tolerance.largest), by_output=by_output
    )
