"""Finds a function of several axes: sums and products of functions of one axis.

Two axes are *added* if changing both has the sum of the effects, and *multiplied* around an offset
if it has their product. The function is split along such axes until each part has one axis.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product

from harness.configs.axes import AxisSizes
from harness.inference.experiments.fits import fit_axis
from harness.inference.experiments.forms import Form, as_factor, constant
from harness.inference.experiments.sizes import AdmittedSizes

MeasureAt = Callable[[AxisSizes], int | None]
"""Returns the value at sizes of some axes, the others at their first size; None if refused."""

_MOST_FORMS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisDomain:
    """An axis: its name in expressions, its first size, and the sizes that it may have."""

    name: str
    first: int
    sizes: AdmittedSizes

    @property
    def others(self) -> tuple[int, ...]:
        """A few other sizes: the next one, the last one and the least one."""
        every = self.sizes.up_to_reach
        near = self.first + self.sizes.step
        wanted = (near if near in self.sizes else every[0], every[-1], every[0])
        return tuple(dict.fromkeys(size for size in wanted if size != self.first))


def fit_axes(measure: MeasureAt, domains: Sequence[AxisDomain]) -> tuple[Form, ...]:
    """Return the forms that may be the function of these axes, the simplest first.

    Several forms agree wherever eager was asked, and differ elsewhere. None is returned if no sum
    or product of the known forms fits.
    """
    return tuple(dict.fromkeys(_Splitter(measure, domains).forms(domains)))[:_MOST_FORMS]


class _Splitter:
    def __init__(self, measure: MeasureAt, domains: Sequence[AxisDomain]) -> None:
        self.measure = measure
        self.first = {domain.name: domain.first for domain in domains}

    def forms(self, domains: Sequence[AxisDomain]) -> Sequence[Form]:
        """Return the forms of the function of some axes, the others at their first size."""
        start = self.measure({})
        if start is None:
            return ()
        moving = [domain for domain in domains if self._moves(domain, start)]
        if not moving:
            return (constant(start),)
        if len(moving) == 1:
            (one,) = moving
            fit = fit_axis(
                one.name, lambda size: self.measure({one.name: size}), one.sizes, first=one.first
            )
            return fit.forms
        pairs = list(self._pairs(moving, start))
        parts = _connected(moving, [pair for pair in pairs if not pair.is_sum])
        if len(parts) > 1:
            return self._joined(parts, partial(_sum, start=start))
        forms: list[Form] = []
        for offset in _offsets(pairs):
            parts = _connected(moving, [pair for pair in pairs if not pair.is_product(offset)])
            if len(parts) > 1:
                forms += self._joined(parts, partial(self._product, start=start, offset=offset))
        return [*forms, *self._extremes(moving, pairs)]

    def _joined(
        self,
        parts: Sequence[Sequence[AxisDomain]],
        join: Callable[[Sequence[Form]], Form | None],
    ) -> Sequence[Form]:
        fitted = [self.forms(part)[:_MOST_FORMS] for part in parts]
        joined = (join(forms) for forms in product(*fitted))
        return [form for form in joined if form is not None]

    def _extremes(self, domains: Sequence[AxisDomain], pairs: Sequence[_Pair]) -> Sequence[Form]:
        """Return the largest or the smallest of functions of one axis each, if that may be it."""
        for word, choose in (("max", max), ("min", min)):
            if all(pair.both == choose(pair.left, pair.right) for pair in pairs):
                join = partial(_extreme, word)
                return self._joined([[domain] for domain in domains], join)
        return ()

    def _moves(self, domain: AxisDomain, start: int) -> bool:
        values = (self.measure({domain.name: size}) for size in domain.others)
        return any(value is not None and value != start for value in values)

    def _pairs(self, domains: Sequence[AxisDomain], start: int) -> Iterator[_Pair]:
        for one, other in combinations(domains, 2):
            for size, more in zip(one.others, other.others, strict=False):
                values = (
                    self.measure({one.name: size}),
                    self.measure({other.name: more}),
                    self.measure({one.name: size, other.name: more}),
                )
                if None not in values and start not in values[:2]:
                    left, right, both = (int(value or 0) for value in values)
                    yield _Pair(one.name, other.name, start, left, right, both)

    def _product(self, forms: Sequence[Form], start: int, *, offset: int) -> Form | None:
        """Return the product of forms around an offset, scaled so that it begins at `start`."""
        factors = [Form(form.scale, form.core, form.offset - offset).primitive() for form in forms]
        value = math.prod(factor.at(self.first) for factor in factors)
        scale, rest = divmod(start - offset, value) if value else (0, 1)
        if rest or scale < 1:
            return None
        return Form(scale, " * ".join(as_factor(factor.text) for factor in factors), offset)


@dataclass(frozen=True, slots=True)
class _Pair:
    """The values at the first sizes, with one axis moved, with another, and with both."""

    one: str
    other: str
    start: int
    left: int
    right: int
    both: int

    @property
    def is_sum(self) -> bool:
        return self.both - self.start == self.left - self.start + self.right - self.start

    def is_product(self, offset: int) -> bool:
        values = (value - offset for value in (self.both, self.start, self.left, self.right))
        both, start, left, right = values
        return both * start == left * right

    @property
    def offset(self) -> int | None:
        """The offset around which the axes are multiplied; None if they are not multiplied."""
        difference = self.both + self.start - self.left - self.right
        if difference == 0:
            return None
        offset, rest = divmod(self.both * self.start - self.left * self.right, difference)
        return None if rest else offset


def _offsets(pairs: Sequence[_Pair]) -> Sequence[int]:
    """Return the offsets at which some axes are multiplied, 0 first."""
    found = (pair.offset for pair in pairs)
    return sorted({0, *(offset for offset in found if offset is not None)}, key=abs)


def _connected(
    domains: Sequence[AxisDomain], links: Sequence[_Pair]
) -> Sequence[Sequence[AxisDomain]]:
    """Return the groups of axes that the links connect."""
    group: Mapping[str, set[str]] = {domain.name: {domain.name} for domain in domains}
    groups = dict(group)
    for link in links:
        joined = groups[link.one] | groups[link.other]
        groups |= dict.fromkeys(joined, joined)
    parts = {tuple(sorted(names)) for names in groups.values()}
    return [[domain for domain in domains if domain.name in names] for names in sorted(parts)]


def _sum(forms: Sequence[Form], start: int) -> Form:
    """Return the sum of forms that each have the value `start` at the first sizes."""
    offset = sum(form.offset for form in forms) - (len(forms) - 1) * start
    terms = [Form(form.scale, form.core, 0).text for form in forms]
    return Form(1, " + ".join(terms), offset)


def _extreme(word: str, forms: Sequence[Form]) -> Form:
    """Return the extreme of functions of which each is cut off where another one has its place."""
    cuts = [re.fullmatch(rf"{word}\((.*), -?\d+\)", form.text) for form in forms]
    texts = [cut[1] if cut else form.text for cut, form in zip(cuts, forms, strict=True)]
    return Form(1, f"{word}({', '.join(texts)})", 0)
