"""A budget runs the first examples of each requirement, and leaves out what would exceed it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.configs.axis_space import AxisSpace
from harness.configs.feeds import is_ordinary
from harness.evidence.example import Example
from harness.judge.budget import COMMON_FIRST, LONGEST, Budget, default_budget, important_first
from harness.judge.examples import draw_examples


class Clock:
    """Seconds that pass only when an example runs."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _run(
    budget: Budget, clock: Clock, requirement: str, lengths: Sequence[int], *, rate: float = 1.0
) -> list[int]:
    """Run examples that take `rate` seconds for each token; return the lengths that ran."""
    examples = [Example.of({"sequence_length": length}, 0) for length in lengths]
    ran = []
    for example in budget.within(
        requirement, examples, lambda e: 10**10 * e.axes["sequence_length"]
    ):
        ran.append(example.axes["sequence_length"])
        clock.now += rate * ran[-1]
    return ran


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_requirements_of_equal_weight_get_equal_shares_of_what_is_left(clock: Clock) -> None:
    budget = Budget(30, {"a": 20, "b": 20, "c": 20}, clock=clock)
    assert len(_run(budget, clock, "a", [1] * 20)) == 10
    assert len(_run(budget, clock, "b", [1] * 4)) == 4
    assert len(_run(budget, clock, "c", [1] * 20)) == 16
    assert clock.now == 30


def test_a_requirement_with_more_weight_gets_more_of_what_is_left(clock: Clock) -> None:
    budget = Budget(30, {"a": 20, "b": 40, "c": 20}, weights={"b": 4}, clock=clock)
    assert len(_run(budget, clock, "a", [1] * 20)) == 5
    assert len(_run(budget, clock, "b", [1] * 40)) == 20
    assert len(_run(budget, clock, "c", [1] * 20)) == 5


def test_the_bounds_come_after_a_few_corners_and_before_the_rest() -> None:
    space = AxisSpace.over(
        ["batch_size", "past_sequence_length", "sequence_length"],
        overrides={},
        ceilings={"past_sequence_length + sequence_length": 512},
        landmarks={"sequence_length": [100]},
    )
    examples = draw_examples(space, count=30, seed=0)
    ordered = important_first(examples, space)
    assert sorted(ordered, key=str) == sorted(examples, key=str)
    assert sorted(ordered[:COMMON_FIRST], key=str) == sorted(examples[:COMMON_FIRST], key=str)
    two = ordered[:2]
    assert {is_ordinary(e.seed) for e in two} == {True, False}
    assert {e.axes["past_sequence_length"] > 0 for e in two} == {True, False}
    early = ordered[: COMMON_FIRST + 2]
    assert max(e.axes["past_sequence_length"] + e.axes["sequence_length"] for e in early) == 512
    assert any(e.axes["sequence_length"] >= 100 for e in early)
    assert {is_ordinary(e.seed) for e in early} == {True, False}
    assert {0, 1} < {e.axes["past_sequence_length"] for e in early}


def test_a_costly_example_is_left_out_and_cheaper_ones_after_it_run(clock: Clock) -> None:
    budget = Budget(20, {"a": 4}, clock=clock)
    assert _run(budget, clock, "a", [1, 2, 100, 3]) == [1, 2, 3]
    assert budget.left_out == {"a": 1}
    assert budget.note is not None
    assert "1 of 4 of a" in budget.note
    assert "--budget" in budget.note


def test_the_first_two_examples_always_run(clock: Clock) -> None:
    budget = Budget(1, {"a": 3, "b": 3}, clock=clock)
    assert _run(budget, clock, "a", [50, 40, 30]) == [50, 40]
    assert _run(budget, clock, "b", [50, 40, 30]) == [50, 40]


def test_the_quickest_rate_predicts_since_small_examples_are_slow_for_their_size(
    clock: Clock,
) -> None:
    budget = Budget(100, {"a": 3}, clock=clock)
    lengths, rates = [1, 8, 80], iter([10.0, 0.5, 0.5])
    examples = [Example.of({"sequence_length": length}, 0) for length in lengths]
    ran = []
    for example in budget.within("a", examples, lambda e: 10**10 * e.axes["sequence_length"]):
        ran.append(example.axes["sequence_length"])
        clock.now += next(rates) * ran[-1]
    assert ran == lengths


def test_requirements_that_run_no_example_take_no_share(clock: Clock) -> None:
    budget = Budget(10, {"a": 0, "b": 20, "c": 20}, clock=clock)
    assert _run(budget, clock, "a", []) == []
    assert len(_run(budget, clock, "c", [1] * 20)) == 10


def test_nothing_is_said_if_everything_ran(clock: Clock) -> None:
    budget = Budget(10, {"a": 2}, clock=clock)
    _run(budget, clock, "a", [1, 1])
    assert budget.note is None


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [(10_000, 240), (20_000_000, 30), (110_000_000, 42), (494_000_000, LONGEST)],
)
def test_the_default_follows_the_size_of_the_model(parameters: int, seconds: float) -> None:
    assert default_budget(parameters) == pytest.approx(seconds)
