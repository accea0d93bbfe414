"""The time for examples: each requirement has a share, and runs important examples first.

A model of a billion parameters needs seconds for a call, and so does a small one for 100,000
tokens, so that not all examples fit in the time that a user waits. Cells of the matrix have no
budget: all their examples run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.configs.feeds import is_ordinary
from harness.evidence.model_copies import LARGE_MODEL

if TYPE_CHECKING:
    from harness.configs.axis_space import AxisSpace
    from harness.evidence.example import Example

WorkOf = Callable[["Example"], int]
"""Returns the multiply-adds and bytes of one forward call of an example."""

WORK_OF_ANY_CALL = 10**8
"""Work of the smallest call, in the same units: starting operators and comparing results."""

Clock = Callable[[], float]
"""Returns seconds from any fixed moment on."""

MEDIUM_MODEL = 100_000_000
SMALL_MODEL_SECONDS = 240.0
"""Many times what all examples of a small model take, unless its window is very long."""

SHORTEST, LONGEST = 30.0, 480.0
SECONDS_PER_PARAMETER = 1.2e-6

ALWAYS_RUN = 2
"""Examples of each requirement that run whatever they take: an ordinary and a provoking feed, and
one with and one without a past."""

COMMON_FIRST = 8
"""Small corners that run before the bounds: two kinds of feeds, several rows, with and without a
past."""


def important_first(examples: Sequence[Example], space: AxisSpace) -> list[Example]:
    """Return the examples in the order in which a budget should run them.

    First come the first corners, and of these the ones that show something new: an ordinary or a
    provoking feed, with or without a past. Then, for each bound, the first example that reaches
    furthest towards it, then all others in their order.
    """
    corners = list(examples[:COMMON_FIRST])
    telling: list[Example] = []
    while corners:
        newest = max(corners, key=lambda example: _new_features(example, telling, space))
        if not _new_features(newest, telling, space):
            break
        corners.remove(newest)
        telling.append(newest)
    furthest = [
        max(examples, key=lambda example: min(size, expression.evaluate(example.axes)))
        for expression, size in space.bounds
        if examples
    ]
    return list(dict.fromkeys([*telling, *corners, *furthest, *examples]))


def _new_features(example: Example, known: Iterable[Example], space: AxisSpace) -> int:
    """Return how many features of an example no known one has."""
    return len(_features(example, space).difference(*(_features(e, space) for e in known)))


def _features(example: Example, space: AxisSpace) -> set[object]:
    """Whether the feed is ordinary, and which of the axes that may be empty are."""
    may_be_empty = (name for name, axis in space.ranges.items() if axis.low == 0)
    empty = {(name, example.axes[name] == 0) for name in may_be_empty}
    return {is_ordinary(example.seed), *empty}


def default_budget(parameters: int) -> float:
    """Return the seconds for the examples of a model by its number of parameters.

    They are 240 s below 20 million parameters, which suffices for all examples of most such models.
    Then 30 s, and 1.2 s more for each million beyond 100 million, at most 480 s.
    """
    if parameters < LARGE_MODEL:
        return SMALL_MODEL_SECONDS
    further = max(0, parameters - MEDIUM_MODEL) * SECONDS_PER_PARAMETER
    return min(LONGEST, SHORTEST + further)


class Budget:
    """The seconds that the requirements of a cell may spend on examples.

    `planned` maps each requirement that runs examples to the number of them, in ladder order. What
    the earlier ones left over is divided among the rest by `weights`; a weight is 1 if it is not
    given. The first two examples of a requirement always run. An example that would exceed the
    share is left out, and cheaper ones after it may still run.
    """

    def __init__(
        self,
        seconds: float,
        planned: Mapping[str, int],
        *,
        weights: Mapping[str, int] = MappingProxyType({}),
        clock: Clock = time.monotonic,
    ) -> None:
        self.seconds = seconds
        self._weights = weights
        self._clock = clock
        self._planned = {name: count for name, count in planned.items() if count}
        self._waiting = list(self._planned)
        self._end = clock() + seconds
        self.left_out: dict[str, int] = {}

    def within(
        self, requirement: str, examples: Iterable[Example], work_of: WorkOf
    ) -> Iterator[Example]:
        """Yield the examples that fit in the share of a requirement; measures how long each takes.

        The time of an example is predicted from its work and the quickest rate so far. The first
        example says nothing about the rate: it also opens the session and measures the tolerance.
        """
        if requirement not in self._waiting:  # it runs no example
            return
        end = self._end_of_share(requirement)
        rate = 0.0
        for number, example in enumerate(examples):
            work = WORK_OF_ANY_CALL + work_of(example)
            started = self._clock()
            if number >= ALWAYS_RUN and started + rate * work > end:
                self.left_out[requirement] = self.left_out.get(requirement, 0) + 1
                continue
            yield example
            used = (self._clock() - started) / work
            if number:
                rate = min(rate, used) if rate else used

    def _end_of_share(self, requirement: str) -> float:
        now = self._clock()
        waiting = self._waiting.index(requirement)
        del self._waiting[:waiting]  # requirements that ended before their examples
        weights = [self._weights.get(name, 1) for name in self._waiting]
        share = max(0.0, self._end - now) * weights[0] / sum(weights)
        self._waiting.pop(0)
        return now + share

    @property
    def note(self) -> str | None:
        """The number of examples that were left out, as text; None if all ran."""
        if not self.left_out:
            return None
        counts = ", ".join(
            f"{count} of {self._planned[name]} of {name}" for name, count in self.left_out.items()
        )
        return (
            f"the budget of {self.seconds:.0f} s left out examples: {counts}; give --budget for "
            "more or less"
        )
