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
        ("a * b", 15),
        ("(a + b) // 3 - 1", 1),
        ("ceil(a / b) + ceil(10 / a)", 5),
        ("floor(b / a)", 1),
        ("min(a, b, 4) + max(a, b)", 8),
        ("Max(1, b) % a", 2),
        ("-((-b)//a)", 2),
    ],
)
def test_evaluation(text: str, value: int) -> None:
    assert AxisExpression.parse(text).evaluate({"a": 3, "b": 5}) == value


def test_order_does_not_matter_but_terms_do() -> None:
    assert AxisExpression.parse("a + b") == AxisExpression.parse("b + a")
    assert AxisExpression.parse("a + b") != AxisExpression.parse("a + c")
    assert AxisExpression.parse("a + 1") != AxisExpression.parse("a")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a + a", "2 * a"),
        ("ceil(a / 4)", "(a + 3) // 4"),
        ("(a + 31) // 32", "ceil(a / 32)"),
        ("ceil(ceil(a / 2) / 2)", "ceil(a / 4)"),
        ("(a + 1) * (b + 1)", "a * b + a + b + 1"),
        ("min(a, b)", "a + b - max(a, b)"),
        ("a - a % 14", "a // 14 * 14"),
        ("a - b + b", "a"),
    ],
)
def test_expressions_are_equal_as_functions(one: str, other: str) -> None:
    first, second = AxisExpression.parse(one), AxisExpression.parse(other)
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a // 2", "ceil(a / 2)"),
        ("(a + 31) // 32", "(a + 30) // 32"),
        ("(a - 10) // 5 // 64", "(a - 11) // 5 // 64"),
        ("min(a, 5000)", "a"),
        ("min(a, 5000)", "min(a, 5001)"),
        ("max(a, 1)", "a"),
        ("a * b", "a + b"),
        ("max(min(a, 512) - 500, 0)", "max(min(a, 512) - 501, 0)"),
        ("a", "b"),
    ],
)
def test_expressions_that_differ_at_one_size_are_not_equal(one: str, other: str) -> None:
    assert AxisExpression.parse(one) != AxisExpression.parse(other)


@pytest.mark.parametrize(
    "text",
    [
        "", "a +", "a b", "a / 2", "floor(a)", "2 a", "1.5 * a", "a ** 2", "True", "a.b", "f(a, b)",
        "min(a)", "max(a, b, key=c)", "a if b else c", "(" * 300 + "a" + ")" * 300,
        "a+" * 999 + "a",
    ],
)  # fmt: skip
def test_a_text_that_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(DescriptionError, match=r"expected names and whole numbers"):
        AxisExpression.parse(text)


def test_a_division_by_zero_is_named() -> None:
    with pytest.raises(DescriptionError, match=r"divides by zero at \[a=4, b=0\]"):
        AxisExpression.parse("a // b").evaluate({"a": 4, "b": 0})


def test_the_largest_size_at_a_limit_counts_strides() -> None:
    frames = AxisExpression.parse("(samples - 10) // 5 + 1")
    assert frames.largest_size("samples", {}, limit=3) == 24
    assert AxisExpression.parse("a + b").largest_size("a", {"b": 9}, limit=8) == -1


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


def _steps() -> AxisSpace:
    steps = {"height": AxisRange(14, 70, export=28, step=14)}
    return AxisSpace.over(("height",), overrides=steps, ceilings={"height // 14": 4})


def test_sizes_are_multiples_of_the_step() -> None:
    assert {corner["height"] for corner in _steps().corners()} == {14, 42, 56}
    assert _steps().fit({"height": 41}) == {"height": 28}
    assert _steps().other_export_sizes == {"height": 56}
    with pytest.raises(UsageError, match="size 30 is no multiple of 14"):
        _steps().complete({"height": 30})
    with pytest.raises(DescriptionError, match="got 20, expected a multiple of the step 14"):
        AxisRange(14, 70, export=20, step=14)


def test_expressions_may_agree_at_the_admitted_sizes_only() -> None:
    one, other = AxisExpression.parse("height // 14 * 14"), AxisExpression.parse("height")
    assert one != other
    assert _steps().agree(one, other)
    assert not _steps().agree(AxisExpression.parse("height // 28 * 28"), other)


def test_a_bound_that_an_axis_cannot_reach_is_refused() -> None:
    with pytest.raises(DescriptionError, match="expected a value that grows with num_choices"):
        AxisSpace.over(
            ("batch_size", "num_choices"),
            overrides={},
            ceilings={"batch_size - num_choices": 4},
        )


def test_corners_meet_a_bound_of_strides_from_both_sides() -> None:
    rate = {"sequence_length": AxisRange(16, 100, export=40)}
    text = "(sequence_length - 10) // 5 + 1"
    space = AxisSpace.over(rate, overrides=rate, ceilings={}, landmarks={text: [6]})
    frames = {AxisExpression.parse(text).evaluate(row) for row in space.bound_corners()}
    assert {5, 6, 7} <= frames


def test_corners_meet_the_landmarks_of_several_axes_at_once() -> None:
    pixels = {name: AxisRange(4, 60, export=20 + 2 * len(name)) for name in ("height", "width")}
    marks = {"height": [32], "width": [48]}
    names = ("batch_size", *pixels)
    space = AxisSpace.over(names, overrides=pixels, ceilings={}, landmarks=marks)
    assert {"batch_size": 2, "height": 32, "width": 48} in space.bound_corners()
    alone = AxisSpace.over(names, overrides=pixels, ceilings={}, landmarks={"height": [32]})
    assert [row["height"] for row in alone.bound_corners()].count(32) == 1
