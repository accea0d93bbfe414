"""Axis expressions and the sizes that are drawn for them."""

from __future__ import annotations

import pytest

from harness.configs.axes import AxisExpression
from harness.configs.axis_space import AxisRange, AxisSpace
from harness.errors import DescriptionError, UsageError

TOTAL = "past_sequence_length + sequence_length"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", 3),
        ("a + b", 8),
        ("b + a", 8),
        ("2 * a + 1", 7),
        ("2*a - b + 4", 5),
        ("-a + b", 2),
        ("7", 7),
    ],
)
def test_evaluation(text: str, value: int) -> None:
    assert AxisExpression.parse(text).evaluate({"a": 3, "b": 5}) == value


def test_order_does_not_matter_but_terms_do() -> None:
    assert AxisExpression.parse("a + b") == AxisExpression.parse("b + a")
    assert AxisExpression.parse("a + b") != AxisExpression.parse("a + c")
    assert AxisExpression.parse("a + 1") != AxisExpression.parse("a")


@pytest.mark.parametrize("text", ["", "a +", "a b", "a * b", "a / 2", "floor(a)", "a ++ b", "2 a"])
def test_an_expression_that_is_no_affine_sum_is_refused(text: str) -> None:
    with pytest.raises(DescriptionError, match="affine sum"):
        AxisExpression.parse(text)


def test_an_axis_without_a_size_is_named() -> None:
    with pytest.raises(DescriptionError, match="no size given for b"):
        AxisExpression.parse("a + b").evaluate({"a": 1})


def _space(limit: int = 64) -> AxisSpace:
    names = ("batch_size", "past_sequence_length", "sequence_length")
    return AxisSpace.over(names, overrides={}, ceilings={TOTAL: limit})


def test_export_sizes_are_at_least_2_and_pairwise_different() -> None:
    sizes = list(_space().export_sizes.values())
    assert min(sizes) >= 2
    assert len(set(sizes)) == len(sizes)


def test_axes_that_are_not_in_the_table_get_export_sizes_of_their_own() -> None:
    space = AxisSpace.over(("batch_size", "x", "y"), overrides={}, ceilings={})
    assert len(set(space.export_sizes.values())) == 3


def test_corners_cover_ones_empty_past_and_multiples_but_not_the_export_sizes() -> None:
    space = _space()
    corners = space.corners()
    assert dict.fromkeys(space.ranges, 1) in corners
    assert {0, 1, 24} <= {corner["past_sequence_length"] for corner in corners}
    assert {name: 4 * size for name, size in space.export_sizes.items()} in corners
    assert space.export_sizes not in corners


def test_a_length_without_a_bound_is_visited_far_beyond_the_export() -> None:
    names = ("batch_size", "past_sequence_length", "sequence_length")
    space = AxisSpace.over(names, overrides={}, ceilings={})
    far = [{"past_sequence_length": 64}, {"sequence_length": 64}]
    assert space.bound_corners() == [{**dict.fromkeys(names, 2), **row} for row in far]
    ended = {"sequence_length": AxisRange(1, 20, export=7)}
    corners = AxisSpace.over(ended, overrides=ended, ceilings={}).bound_corners()
    assert corners == [{"sequence_length": 20}]


@pytest.mark.parametrize("limit", [12, 20, 33, 64])
def test_corners_stay_within_the_limit_of_the_model(limit: int) -> None:
    for corner in _space(limit).corners():
        assert corner["past_sequence_length"] + corner["sequence_length"] <= limit
        assert corner["sequence_length"] >= 1


def test_a_ceiling_that_no_size_fits_is_a_description_error() -> None:
    with pytest.raises(DescriptionError, match="no size fits 0"):
        _space(0).corners()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"batch": 2}, "did you mean batch_size"),
        ({"batch_size": 0}, "size 0 is below 1"),
        ({"sequence_length": 65}, "the model reaches 64"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _space().complete(sizes)


def test_a_description_overrides_the_common_range() -> None:
    space = AxisSpace.over(
        ("batch_size",), overrides={"batch_size": AxisRange(2, 4, export=3)}, ceilings={}
    )
    assert space.corners()[0] == {"batch_size": 2}
