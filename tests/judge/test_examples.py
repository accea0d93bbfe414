"""Drawn examples: reproducible, within bounds, and small when they fail."""

from __future__ import annotations

import pytest

from harness.configs.axes import AxisSpace
from harness.evidence.sides import Example
from harness.judge.examples import draw_examples, minimise

SPACE = AxisSpace.over(
    ("batch_size", "past_sequence_length", "sequence_length"),
    overrides={},
    ceilings={"past_sequence_length + sequence_length": 40},
)


def test_the_same_seed_draws_the_same_examples() -> None:
    first, again, other = (draw_examples(SPACE, count=20, seed=seed) for seed in (3, 3, 4))
    assert first == again != other


def test_what_is_drawn_does_not_depend_on_a_profile_of_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = draw_examples(SPACE, count=20, seed=3)
    import hypothesis

    hypothesis.settings.register_profile("other", max_examples=1, derandomize=True)
    hypothesis.settings.load_profile("other")
    try:
        assert draw_examples(SPACE, count=20, seed=3) == before
    finally:
        hypothesis.settings.load_profile("default")


def test_corners_come_first_and_drawn_ones_follow_within_bounds() -> None:
    examples = draw_examples(SPACE, count=30, seed=0)
    corners = SPACE.corners()
    assert [example.axes for example in examples[: len(corners)]] == corners
    assert len(examples) >= 30
    for example in examples:
        assert example.axes["past_sequence_length"] + example.axes["sequence_length"] <= 40
        assert example.axes["batch_size"] >= 1
        assert example.axes != SPACE.export_sizes


def test_no_example_stands_twice() -> None:
    examples = draw_examples(SPACE, count=30, seed=0)
    assert len(set(examples)) == len(examples)


@pytest.mark.parametrize(
    ("limit", "axis"), [(2, "batch_size"), (5, "sequence_length"), (1, "past_sequence_length")]
)
def test_a_failure_shrinks_to_the_true_boundary(limit: int, axis: str) -> None:
    start = Example.of({"batch_size": 12, "past_sequence_length": 9, "sequence_length": 28}, 77)
    minimal = minimise(start, SPACE, lambda example: example.axes[axis] >= limit)
    smallest = {"batch_size": 1, "past_sequence_length": 0, "sequence_length": 1}
    assert minimal == Example.of({**smallest, axis: limit}, 0)


def test_a_failure_at_one_size_alone_is_kept() -> None:
    start = Example.of({"batch_size": 5, "past_sequence_length": 9, "sequence_length": 23}, 77)
    assert minimise(start, SPACE, lambda example: example == start) == start
