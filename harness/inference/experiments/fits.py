"""Finds a function of one axis from few points, which are chosen so that they tell forms apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.inference.experiments.forms import Form, fitting_forms
from harness.inference.experiments.sizes import AdmittedSizes

Measure = Callable[[int], int | None]
"""Returns the value at a size of the axis, or None if eager refuses it."""

_DIVISOR = re.compile(r"/ (\d+)")
_ROUNDS = 30
_SAMPLES = 60
_MOST_FORMS = 6
_BEYOND = 4
"""Forms are compared up to so many times the largest size that was tried, unless an axis ends."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The forms that have all values that were seen, one of each function, the simplest first.

    It is ambiguous if there are several: they differ at sizes that could not be observed.
    """

    forms: tuple[Form, ...]

    @property
    def is_ambiguous(self) -> bool:
        return len(self.forms) > 1


def fit_axis(name: str, measure: Measure, sizes: AdmittedSizes, *, first: int) -> Fit:
    """Fit the function of one axis.

    As long as forms that fit differ at an admitted size, eager is asked at the size at which most
    of them differ, at last at sizes that are larger than all others. The fit has no form if none of
    the family fits.
    """
    asked = _spread(sizes.up_to_reach)
    points = _measured(measure, (*_ends(sizes, first), *asked[:: max(1, len(asked) // 4)]))
    refused: set[int] = set()
    for _ in range(_ROUNDS):
        forms = fitting_forms(name, points)
        steps = (size for size in _steps(points, sizes.step) if size not in refused)
        rest = (size for size in asked if size not in points and size not in refused)
        telling = (*steps, *rest)
        size = _most_telling(forms, name, telling) if forms else next(iter(telling), None)
        if size is None:
            beyond = [one for one in _beyond(sizes) if one not in refused]
            size = _most_telling(forms, name, beyond)
        if size is None:
            break
        value = measure(size)
        if value is None:
            refused.add(size)
        else:
            points[size] = value
    compared = (*asked, *_steps(points, sizes.step), *_beyond(sizes))
    forms = sorted(fitting_forms(name, points), key=lambda form: _odd_divisors(form, sizes.step))
    return Fit(tuple(_distinct(forms, name, compared)[:_MOST_FORMS]))


def _odd_divisors(form: Form, step: int) -> int:
    """Return how many divisors are no multiples of the step: the model divides by the others."""
    return sum(int(divisor) % step != 0 for divisor in _DIVISOR.findall(form.text))


def _ends(sizes: AdmittedSizes, first: int) -> Sequence[int]:
    every = sizes.up_to_reach
    near = [first + sizes.step * step for step in (0, 1, 2, -1)]
    return [size for size in (*near, every[0], every[-1]) if size in sizes]


def _spread(every: Sequence[int]) -> Sequence[int]:
    """Return all sizes, or some of them without a common period."""
    if len(every) <= _SAMPLES:
        return every
    return sorted({*every[:8], *every[:: len(every) // _SAMPLES + 1], *every[-8:]})


def _beyond(sizes: AdmittedSizes) -> Sequence[int]:
    """Return admitted sizes that are larger than all sizes that are tried."""
    if sizes.largest is not None:
        return ()
    return _spread(range(sizes.up_to_reach[-1], _BEYOND * sizes.reach, sizes.step))


def _steps(points: Mapping[int, int], step: int) -> Iterator[int]:
    """Yield the middle between neighbouring sizes with different values: some step lies there."""
    for left, right in pairwise(sorted(points)):
        if points[left] != points[right] and right - left > step:
            yield left + (right - left) // step // 2 * step


def _measured(measure: Measure, sizes: Sequence[int]) -> dict[int, int]:
    values = {size: measure(size) for size in dict.fromkeys(sizes)}
    return {size: value for size, value in values.items() if value is not None}


def _distinct(forms: Sequence[Form], name: str, sizes: Sequence[int]) -> list[Form]:
    """Keep the simplest form of each function over the sizes."""
    found: dict[tuple[int, ...], Form] = {}
    for form in forms:
        found.setdefault(tuple(form.at({name: size}) for size in sizes), form)
    return list(found.values())


def _most_telling(forms: Sequence[Form], name: str, sizes: Sequence[int]) -> int | None:
    """Return the size at which the forms have most values, None if they have one everywhere."""
    if len(forms) < 2 or not sizes:
        return None
    counts = {size: len({form.at({name: size}) for form in forms}) for size in sizes}
    best = max(counts, key=lambda size: counts[size])
    return best if counts[best] > 1 else None
