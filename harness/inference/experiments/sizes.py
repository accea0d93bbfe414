"""Finds which sizes an axis may have: any, multiples of a number, and between which bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

Runs = Callable[[int], bool]
"""Whether eager accepts a size of one axis."""

_LARGEST_STEP = 33
_SEVERAL = 4
REACH = 4
"""Sizes are tried up to so many times the first one, and once just beyond each landmark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedSizes:
    """The sizes of an axis that eager accepts: `least`, and from there on in steps of `step`.

    `largest` is None if no size is refused. Other experiments use sizes up to `reach`. `regular` is
    False if sizes between are refused that this form admits, `accepted` is the largest size that
    eager was seen to accept.
    """

    least: int
    largest: int | None
    step: int
    reach: int
    regular: bool = True
    accepted: int = 0

    def __contains__(self, size: int) -> bool:
        top = self.reach if self.largest is None else min(self.reach, self.largest)
        return self.least <= size <= top and (size - self.least) % self.step == 0

    @property
    def up_to_reach(self) -> range:
        top = self.reach if self.largest is None else min(self.reach, self.largest)
        return range(self.least, top + 1, self.step)

    def between(self, least: int, reach: int) -> Self:
        """Return these sizes from an admitted one on, to be tried up to `reach`."""
        return replace(self, least=least, reach=max(least, min(self.reach, reach)))

    def __str__(self) -> str:
        if self.step == 1:
            text = "any size" if self.least == 1 else f"from {self.least}"
        elif self.least % self.step == 0:
            text = f"multiples of {self.step} from {self.least}"
        else:
            text = f"{self.least} and more in steps of {self.step}"
        return text if self.largest is None else f"{text}, up to {self.largest}"


def find_sizes(
    runs: Runs, *, first: int, known: int, landmarks: Sequence[int] = ()
) -> AdmittedSizes:
    """Return the admitted sizes of an axis.

    `first` and `known` are two sizes that eager accepts. Just above each landmark, eager is asked
    too.
    """
    step = _step(runs, first=first, known=known)
    least = _least(runs, first=first, step=step)
    far = first + step * (-(-((REACH - 1) * first) // step))
    above = [
        first + step * ((mark - first) // step + more)
        for mark in landmarks
        for more in (0, 1)
        if mark > first
    ]
    accepted, largest = first, None
    asked = sorted({size for size in (far, *above) if size > first})
    for size in asked:
        if not runs(size):
            largest = _outermost(runs, accepted=accepted, refused=size, step=step)
            break
        accepted = size
    reach = far if largest is None else min(far, largest)
    return AdmittedSizes(
        least=least,
        largest=largest,
        step=step,
        reach=reach,
        regular=all(runs(size) for size in _between(least, reach, step)),
        accepted=max(reach, accepted),
    )


def _step(runs: Runs, *, first: int, known: int) -> int:
    """Return the smallest growth that eager accepts several times, else twice, else once.

    A stride of 32 that rounds up accepts a growth by 31 a few times as well. So a little larger
    growth, of which the first size is a multiple, is preferred.
    """
    known_step = abs(known - first)
    steps = range(1, min(known_step, _LARGEST_STEP))
    for times in (_SEVERAL, 2):
        accepted = (
            step for step in steps if all(runs(first + step * time) for time in range(1, times + 1))
        )
        found = next(accepted, None)
        if found is not None:
            larger = (step for step in accepted if step < 2 * found and first % step == 0)
            return found if first % found == 0 else next(larger, found)
    return known_step


def _least(runs: Runs, *, first: int, step: int) -> int:
    """Return the smallest size above 0 that eager accepts, if all from there on are accepted."""
    smallest = first % step or step
    if smallest >= first or runs(smallest):
        return min(smallest, first)
    return _outermost(runs, accepted=first, refused=smallest, step=step)


def _outermost(runs: Runs, *, accepted: int, refused: int, step: int) -> int:
    """Return the accepted size next to the refused ones, by bisection; they may be the smaller."""
    while (distance := abs(refused - accepted)) > step:
        middle = min(accepted, refused) + distance // step // 2 * step
        if runs(middle):
            accepted = middle
        else:
            refused = middle
    return accepted


def _between(least: int, reach: int, step: int) -> set[int]:
    """Return a few admitted sizes between both ends, to be asked for."""
    count = (reach - least) // step
    return {least + step * (count * part // 7) for part in (1, 2, 3, 5)}
