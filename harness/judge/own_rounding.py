"""Widens a measured tolerance by what eager PyTorch rounds on one more example."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.evidence.reference import EagerError
from harness.judge.rounding import (
    UnmeasurableError,
    largest_allowed_atol,
    measure_rounding_of,
)

if TYPE_CHECKING:
    from harness.evidence.example import Example
    from harness.evidence.sides import Sides
    from harness.evidence.tolerance import Tolerance


def widened(tolerance: Tolerance, sides: Sides, example: Example) -> Tolerance:
    """Return a measured tolerance as it would be if this example had been measured too.

    A large model is measured on a few examples, but may round most on another one, such as at
    positions far into a long window. An output whose tolerance could then no longer refuse a wrong
    file keeps its tolerance.
    """
    try:
        measures = measure_rounding_of(sides, example)
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
