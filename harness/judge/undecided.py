"""Rules for undecided examples: eager rounds so much there that they neither pass nor fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.configs.feeds import is_ordinary

if TYPE_CHECKING:
    from harness.configs.axis_space import AxisSpace
    from harness.evidence.example import Example

EXAMPLES_PER_UNDECIDED = 20
"""At most one example in this many may be undecided (always one, if there are several examples).

If more fail, all of them count as failures. A single example is never undecided, so that a replayed
failure fails again.
"""


def may_leave_out(count: int, *, total: int) -> bool:
    """Whether so few of all examples may be undecided."""
    return total > 1 and count <= max(1, total // EXAMPLES_PER_UNDECIDED)


def may_decide_nothing(example: Example, decided: Sequence[Example], space: AxisSpace) -> bool:
    """Whether an example may be undecided however many others are, if the tolerance is measured.

    This holds for a provoking feed, since a trained model never sees such a feed and may round much
    more on it. It also holds for an ordinary feed that is further towards a bound of the model than
    most ordinary ones that are decided: the rounding of a sum grows with its length, and differs
    between sums of one length, so that beyond some length no tolerance fits all of them.
    """
    if not is_ordinary(example.seed):
        return True
    ordinary = [one.axes for one in decided if is_ordinary(one.seed)]
    return any(
        2 * sum(expression.evaluate(axes) < expression.evaluate(example.axes) for axes in ordinary)
        > len(ordinary)
        for expression, _ in space.bounds
    )
