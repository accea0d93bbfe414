"""Functions of one axis that the size of an output may be, and how they are fitted to points.

The family: constants, `a * x + d`, quotients `a * ((x + b) // c) + d`, of which ceilings are a
special case, their squares, and all of these cut off at a least or a largest value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.configs.axes import AxisExpression

Points = Mapping[int, int]
"""Size of the axis -> size of the output."""

_MOST_DIVISORS = 12
_END = re.compile(r"min\(.*, (\d+)\)")
_ATOM = re.compile(r"\w+(\([^()]*\))?")


@dataclass(frozen=True, slots=True)
class Form:
    """The function `scale * core + offset`, where `core` is the text of an axis expression.

    A constant has the scale 0.
    """

    scale: int
    core: str
    offset: int

    @property
    def text(self) -> str:
        if self.scale == 0:
            return str(self.offset)
        core = self.core if self.scale == 1 else f"{self.scale} * {as_factor(self.core)}"
        if self.offset == 0:
            return core
        sign = "+" if self.offset > 0 else "-"
        return f"{core} {sign} {abs(self.offset)}"

    @property
    def expression(self) -> AxisExpression:
        return AxisExpression.parse(self.text)

    def at(self, sizes: Mapping[str, int]) -> int:
        return self.expression.evaluate(sizes)

    @property
    def complexity(self) -> int:
        """The number of operations that a reader has to take in; a rounding up counts twice."""
        text = self.text.replace("//", "/")
        return sum(text.count(sign) for sign in ("+", "-", "*", "/", "ceil", "min", "max"))

    @property
    def end(self) -> int | None:
        """The value at which the form stops growing, None if it has none."""
        cut = _END.fullmatch(self.text)
        return int(cut[1]) if cut else None

    def primitive(self) -> Form:
        """Return the form divided by the common divisor of its numbers."""
        divisor = math.gcd(self.scale, self.offset)
        if divisor <= 1:
            return self
        return replace(self, scale=self.scale // divisor, offset=self.offset // divisor)


def constant(value: int) -> Form:
    """Return the function that has one value."""
    return Form(0, "", value)


def as_factor(text: str) -> str:
    """Return a text that can be multiplied: a name, a number, a call, or in parentheses."""
    return text if _ATOM.fullmatch(text) else f"({text})"


def fitting_forms(name: str, points: Points) -> list[Form]:
    """Return the forms of the family that have all these values, the simplest first.

    Of quotients that differ in their offset alone, some are returned: the simplest, and those with
    the smallest and the largest offset.
    """
    found = list(dict.fromkeys(_fitting(name, points)))
    return sorted(found, key=lambda form: (form.complexity, len(form.text)))


def _fitting(name: str, points: Points) -> Iterator[Form]:
    values = set(points.values())
    if len(values) == 1:
        yield constant(next(iter(values)))
        return
    # More forms fit few points than are likely: a rarer kind counts only if no commoner one fits.
    for kind in (_unbounded, _squares, _cut_off):
        found = list(kind(name, points))
        if found:
            yield from found
            return


def _unbounded(name: str, points: Points) -> Iterator[Form]:
    linear = _linear(name, points)
    if linear is not None:
        yield linear
    yield from _quotients(name, points)


def _linear(name: str, points: Points) -> Form | None:
    (x0, y0), (x1, y1) = min(points.items()), max(points.items())
    slope, rest = divmod(y1 - y0, x1 - x0)
    form = Form(slope, name, y0 - slope * x0)
    fits = not rest and all(slope * x + form.offset == y for x, y in points.items())
    return form if fits and slope else None


def _quotients(name: str, points: Points) -> Iterator[Form]:
    """Yield `scale * ((x + b) // c) + offset` with all these values.

    For given scale and c, each point limits b to an interval, so no search over b is needed.
    """
    xs, ys = sorted(points), [points[x] for x in sorted(points)]
    if ys != sorted(ys):
        return
    unit = math.gcd(*(y - ys[0] for y in ys))
    for scale in (s for s in range(unit, 0, -1) if unit % s == 0):
        offset = ys[0] % scale
        steps = {x: (points[x] - offset) // scale for x in xs}
        for divisor in _divisors(steps):
            low = max(divisor * y - x for x, y in steps.items())
            high = min(divisor * (y + 1) - 1 - x for x, y in steps.items())
            for shift in _shifts(low, high, divisor):
                yield _quotient(name, scale, shift, divisor, offset)


def _divisors(steps: Points) -> Sequence[int]:
    """Return divisors of a quotient that can grow so much from its first to its last point.

    They are samples of all such divisors, with the one that divides all sizes.
    """
    first, last = min(steps), max(steps)
    growth = steps[last] - steps[first]
    low = max(2, (last - first) // (growth + 1))
    high = (last - first) // (growth - 1) + 1 if growth > 1 else 2 * (last - first)
    possible = [
        divisor
        for divisor in range(low, high + 1)
        if max(divisor * y - x for x, y in steps.items())
        <= min(divisor * (y + 1) - 1 - x for x, y in steps.items())
    ]
    stride = len(possible) // _MOST_DIVISORS + 1
    common = {math.gcd(*steps)}.intersection(possible)
    return sorted({*possible[::stride], *possible[-1:], *common})


def _shifts(low: int, high: int, divisor: int) -> Sequence[int]:
    """Return simple shifts in an interval, and its ends."""
    if low > high:
        return ()
    whole = -(-low // divisor) * divisor
    ceiling = -(-(low - divisor + 1) // divisor) * divisor + divisor - 1
    simple = [shift for shift in (0, divisor - 1, whole, ceiling) if low <= shift <= high]
    return tuple(dict.fromkeys((*simple, low, high, (low + high) // 2)))


def _quotient(name: str, scale: int, shift: int, divisor: int, offset: int) -> Form:
    """Write a quotient as a reader expects it: a floor of x, a ceiling of x, or of a sum."""
    whole, part = divmod(shift, divisor)
    if part == 0:
        return Form(scale, f"{name} // {divisor}", offset + scale * whole)
    if part == divisor - 1:
        return Form(scale, f"ceil({name} / {divisor})", offset + scale * whole)
    if part > divisor // 2:
        whole, part = whole + 1, part - divisor
    inner = f"{name} + {part}" if part > 0 else f"{name} - {-part}"
    return Form(scale, f"({inner}) // {divisor}", offset + scale * whole)


def _squares(name: str, points: Points) -> Iterator[Form]:
    """Yield squares of linear forms and quotients, plus 0, 1 or 2: the patches of square images."""
    for offset in (0, 1, 2):
        rest = {x: y - offset for x, y in points.items()}
        if min(rest.values()) < 0:
            return
        unit = _square_free(math.gcd(*rest.values()))
        roots = {x: math.isqrt(y // unit) for x, y in rest.items()}
        if all(unit * root**2 == rest[x] for x, root in roots.items()) and len(points) > 2:
            for form in _unbounded(name, roots):
                core = as_factor(form.text)
                yield Form(unit, f"{core} * {core}", offset)


def _square_free(number: int) -> int:
    """Return the smallest factor of a number that leaves a square."""
    factors = (factor for factor in range(1, number + 1) if number % factor == 0)
    return next((factor for factor in factors if _is_square(number // factor)), 1)


def _is_square(number: int) -> bool:
    return math.isqrt(number) ** 2 == number


def _cut_off(name: str, points: Points) -> Iterator[Form]:
    """Yield forms that are constant up to some size, or from some size on."""
    for word, end in (("min", max(points.values())), ("max", min(points.values()))):
        inner = {x: y for x, y in points.items() if y != end}
        flat = len(points) - len(inner)
        if len(inner) < 2 or flat < 2:
            continue
        linear = _linear(name, inner)
        kinds = _unbounded(name, inner) if len(inner) > 2 else [linear] if linear else []
        for form in kinds:
            cut = {"min": min, "max": max}[word]
            if all(cut(form.at({name: x}), end) == y for x, y in points.items()):
                yield Form(1, f"{word}({form.text}, {end})", 0)
