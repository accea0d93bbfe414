"""Conditions on a feed, in ONNX's textual syntax, for files that are wrong only under them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.library.ingredients import KEY
from tests.faults.library.surgery import Returned

INPUTS = {
    "ids": "input_ids",
    "mask": "attention_mask",
    "types": "token_type_ids",
    "positions": "position_ids",
    "keys": KEY,
}
"""Name in a condition -> input of the file."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A boolean that `statements` compute from the inputs named in `reads`."""

    result: str
    reads: tuple[str, ...]
    statements: tuple[str, ...]


def off_where(*conditions: Condition, output: str = "logits") -> Returned:
    """Return an edit: an output is 0.5 too large where all conditions hold."""
    computed = [statement for one in conditions for statement in one.statements]
    read = {name: INPUTS[name] for one in conditions for name in one.reads}
    first, *others = (one.result for one in conditions)
    both = [f"both_{n} = And({a}, {n})" for a, n in _pairs(first, others)]
    result = f"both_{others[-1]}" if others else first
    added = [
        f"error = Cast<to=1>({result})",
        "half = Constant<value_float=0.5>()",
        "y_error = Mul(error, half)",
        "y = Add(x, y_error)",
    ]
    return Returned(output, " ".join(dict.fromkeys((*computed, *both, *added))), read)


def _pairs(first: str, others: list[str]) -> list[tuple[str, str]]:
    """Return what each further condition is combined with, and its name."""
    so_far = [first, *(f"both_{name}" for name in others)]
    return list(zip(so_far, others, strict=False))


_ZERO = "zero = Constant<value_int=0>()"
_ONE = "one = Constant<value_int=1>()"
_KEY_LENGTH = (_ONE, "mask_shape = Shape(mask)", "key_length = Gather(mask_shape, one)")
_PAST = (
    "two = Constant<value_int=2>()",
    "keys_shape = Shape(keys)",
    "past = Gather(keys_shape, two)",
)
_PLACES = (
    _ONE,
    "nothing = Sub(positions, positions)",
    "ones = Add(nothing, one)",
    "counted = CumSum(ones, one)",
    "places = Sub(counted, one)",
)


def longer_than(limit: int) -> Condition:
    """Return the condition that a feed has more tokens; its past does not count."""
    statements = (
        _ONE,
        "ids_shape = Shape(ids)",
        "length = Gather(ids_shape, one)",
        f"limit = Constant<value_int={limit}>()",
        "is_long = Greater(length, limit)",
    )
    return Condition("is_long", ("ids",), statements)


def rows(count: int) -> Condition:
    """Return the condition that a batch has this number of rows."""
    statements = (
        _ZERO,
        "ids_shape = Shape(ids)",
        "batch = Gather(ids_shape, zero)",
        f"count_of_rows = Constant<value_int={count}>()",
        "has_rows = Equal(batch, count_of_rows)",
    )
    return Condition("has_rows", ("ids",), statements)


def attending_to(low: int, high: int) -> Condition:
    """Return the condition that past and tokens are between `low` and `high - 1` together."""
    statements = (
        *_KEY_LENGTH,
        f"low = Constant<value_int={low}>()",
        f"high = Constant<value_int={high}>()",
        "reaches_low = GreaterOrEqual(key_length, low)",
        "is_below = Less(key_length, high)",
        "is_within = And(reaches_low, is_below)",
    )
    return Condition("is_within", ("mask",), statements)


def counting_from(start: str, *computing: str, reads: tuple[str, ...] = ()) -> Condition:
    """Return the condition that positions are consecutive in every row, from `start` on."""
    statements = (
        *_PLACES,
        *computing,
        f"expected = Add(places, {start})",
        "distance = Sub(positions, expected)",
        "absolute = Abs(distance)",
        "farthest = ReduceMax<keepdims=0>(absolute)",
        _ZERO,
        "is_counted = Equal(farthest, zero)",
    )
    return Condition("is_counted", ("positions", *reads), statements)


FROM_ZERO = counting_from("zero", _ZERO)
FROM_PAST = counting_from("past", *_PAST, reads=("keys",))
"""Positions as users have them: 0, 1, ... without a past, and consecutive after a past."""

NO_PAST = Condition("no_past", ("keys",), (*_PAST, _ZERO, "no_past = Equal(past, zero)"))
HAS_PAST = Condition("has_past", ("keys",), (*_PAST, _ZERO, "has_past = Greater(past, zero)"))

ALL_SEEN = Condition(
    "all_seen",
    ("mask",),
    (_ONE, "least = ReduceMin<keepdims=0>(mask)", "all_seen = Equal(least, one)"),
)

ONE_TYPE = Condition(
    "one_type",
    ("types",),
    (_ZERO, "last_type = ReduceMax<keepdims=0>(types)", "one_type = Equal(last_type, zero)"),
)


def without(token: int) -> Condition:
    """Return the condition that no token is this one."""
    statements = (
        f"token = Constant<value_int={token}>()",
        "is_token = Equal(ids, token)",
        "counts = Cast<to=7>(is_token)",
        "count = ReduceMax<keepdims=0>(counts)",
        _ZERO,
        "is_plain = Equal(count, zero)",
    )
    return Condition("is_plain", ("ids",), statements)
