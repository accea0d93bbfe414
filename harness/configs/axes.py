"""Axis names and integer expressions over them.

The syntax is Python's: `+`, `-`, `*`, `//`, `%`, parentheses, whole numbers, `min`, `max`,
`ceil(a / b)` and `floor(a / b)`. The names `Min`, `Max`, `Mod` and `ceiling`, which torch writes
into files, are read too.
"""

from __future__ import annotations

import ast
import bisect
import functools
import itertools
import math
import operator
import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from harness.errors import DescriptionError

AxisSizes = Mapping[str, int]
Place = Callable[[str, int], int]
"""Maps an axis name and a number from 0 on to a size that the axis may have."""

Function = Callable[[AxisSizes], int]

_OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_CALLS: Mapping[str, Callable[..., int]] = {
    "min": min,
    "max": max,
    "Min": min,
    "Max": max,
    "Mod": operator.mod,
}
_QUOTIENTS: Mapping[str, Callable[[int, int], int]] = {
    "ceil": lambda a, b: -(-a // b),
    "ceiling": lambda a, b: -(-a // b),
    "floor": operator.floordiv,
}
_LONGEST_TEXT = 1000
_LARGEST_SIZE = 2**40
_LONGEST_PERIOD = 2048
_MAGNITUDES = (8, 64, 512, 10_000, 1_000_000)
_POINTS_OF_A_MAGNITUDE = 24


@dataclass(frozen=True, slots=True, eq=False)
class AxisExpression:
    """An integer expression over axis names, such as `past_sequence_length + sequence_length`.

    Two expressions are equal if they have the same value for all sizes of the axes from 0 on, in
    whatever way they are written.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a text; raises DescriptionError if it is not an axis expression."""
        _parsed(text)
        return cls(text.strip())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AxisExpression):
            return NotImplemented
        return self.text == other.text or _always_equal(self.text, other.text)

    def __hash__(self) -> int:
        return _value_hash(self.text)

    @property
    def names(self) -> tuple[str, ...]:
        """The axis names, sorted."""
        return _parsed(self.text).names

    @property
    def is_plain(self) -> bool:
        """Whether this is one axis name and nothing else."""
        return self.is_sum and len(self.names) == 1

    @property
    def is_sum(self) -> bool:
        """Whether this is one axis name, or the sum of several."""
        return bool(self.names) and self == AxisExpression(" + ".join(self.names))

    def evaluate(self, sizes: AxisSizes) -> int:
        """Return the size of this axis.

        Raises DescriptionError if a name has no size, or for a division by zero.
        """
        parsed = _parsed(self.text)
        missing = [name for name in parsed.names if name not in sizes]
        if missing:
            raise DescriptionError(f"axis expression {self.text!r}: no size given for {missing[0]}")
        try:
            return parsed.function(sizes)
        except ZeroDivisionError:
            given = ", ".join(f"{name}={sizes[name]}" for name in parsed.names)
            raise DescriptionError(
                f"axis expression {self.text!r}: divides by zero at [{given}]"
            ) from None

    def largest_size(self, name: str, sizes: AxisSizes, *, limit: int) -> int:
        """Return the largest size of one axis at which the value is at most `limit`.

        The other axes have their size in `sizes`. The value must grow with the axis. Returns -1 if
        the value is above the limit even for a size of 0.
        """

        def value(size: int) -> int:
            return self.evaluate({**sizes, name: size})

        return bisect.bisect_right(range(_LARGEST_SIZE), limit, key=value) - 1

    def agrees_with(self, other: AxisExpression, *, at: Place) -> bool:
        """Whether both expressions have the same value at the sizes that `at` places."""
        return self == other or _agree(self, other, at=at)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """The names of an expression, its numbers, and the function of sizes that it stands for."""

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    function: Function


@functools.lru_cache(maxsize=4096)
def _parsed(text: str) -> _Parsed:
    try:
        if len(text) > _LONGEST_TEXT:
            raise ValueError(f"more than {_LONGEST_TEXT} characters")
        tree = ast.parse(text.strip(), mode="eval").body
        function = _function_of(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DescriptionError(
            f"axis expression {text[:80]!r}: expected names and whole numbers joined by + - * //, "
            f"min, max or ceil(a / b), such as 'past_sequence_length + sequence_length'; got "
            f"{error if isinstance(error, ValueError) else 'another syntax'}"
        ) from None
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    nodes = [node for node in ast.walk(tree) if node not in called]
    names = sorted({node.id for node in nodes if isinstance(node, ast.Name)})
    values = (node.value for node in nodes if isinstance(node, ast.Constant))
    numbers = sorted({value for value in values if isinstance(value, int)})
    return _Parsed(tuple(names), tuple(numbers), function)


def _function_of(node: ast.expr) -> Function:
    """Return the function that a syntax tree stands for; raises ValueError for other syntax."""
    match node:
        case ast.Constant(value=int(number)) if type(number) is int:
            return lambda sizes: number
        case ast.Name(id=name):
            return lambda sizes: sizes[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            negated = _function_of(operand)
            return lambda sizes: -negated(sizes)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _joined(_OPERATORS[type(op)], (left, right))
        case ast.Call(
            func=ast.Name(id=name), args=[ast.BinOp(left=left, op=ast.Div(), right=right)]
        ):
            if name in _QUOTIENTS:
                return _joined(_QUOTIENTS[name], (left, right))
        case ast.Call(func=ast.Name(id=name), args=[_, _, *_] as operands, keywords=[]):
            if name in _CALLS:
                return _joined(_CALLS[name], operands)
    raise ValueError(ast.unparse(node))


def _joined(operation: Callable[..., int], operands: Sequence[ast.expr]) -> Function:
    functions = [_function_of(operand) for operand in operands]
    return lambda sizes: operation(*(function(sizes) for function in functions))


@functools.lru_cache(maxsize=4096)
def _always_equal(one: str, other: str) -> bool:
    return _agree(AxisExpression(one), AxisExpression(other), at=lambda name, number: number)


@functools.lru_cache(maxsize=4096)
def _value_hash(text: str) -> int:
    """Return a hash of the values at two points, which equal expressions have in common."""
    names = _parsed(text).names
    points = ({n: 997 + step * (zlib.crc32(n.encode()) % 10_007) for n in names} for step in (1, 2))
    return hash(tuple(_value_at(AxisExpression(text), point) for point in points))


def _agree(one: AxisExpression, other: AxisExpression, *, at: Place) -> bool:
    """Compare two functions at their samples.

    Sums, products, quotients, minima and maxima of integers that are not equal everywhere differ on
    some remainder of their divisors, near one of their numbers, or far from all of them.
    """
    names = sorted({*one.names, *other.names})
    numbers = {number for text in (one.text, other.text) for number in _parsed(text).numbers}
    placed = (
        {n: at(n, number) for n, number in point.items()} for point in _points(names, numbers)
    )
    return all(_value_at(one, point) == _value_at(other, point) for point in placed)


def _value_at(expression: AxisExpression, point: AxisSizes) -> int | None:
    try:
        return expression.evaluate(point)
    except DescriptionError:
        return None


def _points(names: Sequence[str], numbers: set[int]) -> Iterator[dict[str, int]]:
    draw = random.Random(0)
    yield from (dict.fromkeys(names, size) for size in range(4))
    for magnitude in _MAGNITUDES:
        for _ in range(_POINTS_OF_A_MAGNITUDE):
            yield {name: draw.randrange(magnitude) for name in names}
    period = min(_LONGEST_PERIOD, math.prod(number for number in numbers if number > 1))
    near = {number + step for number in numbers for step in (-1, 0, 1) if number + step >= 0}
    for name, others in itertools.product(names, (64, 10_000)):
        rest = {n: draw.randrange(others) for n in names}
        for size in itertools.chain(range(2 * period), near):
            yield {**rest, name: size}


def shape_problems(
    declared: Mapping[str, Mapping[int, str]],
    shapes: Mapping[str, tuple[int, ...]],
    sizes: AxisSizes,
) -> Iterator[str]:
    """Yield where a shape differs from its declared axes, as *got, expected*.

    `declared` is name -> {axis index: axis expression}; raises DescriptionError if a name has no
    size.
    """
    for name, axes in declared.items():
        for axis, text in axes.items():
            expected = AxisExpression.parse(text).evaluate(sizes)
            if axis >= len(shapes[name]) or shapes[name][axis] != expected:
                yield f"shape of {name}: got {shapes[name]}, expected {text} = {expected} at {axis}"
