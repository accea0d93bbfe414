"""A budget runs the first examples of each requirement, and leaves out what would exceed it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.evidence.sides import Example
from harness.judge.budget import LONGEST, Budget, default_budget


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


def test_each_requirement_gets_an_equal_share_of_what_is_left(clock: Clock) -> None:
    budget = Budget(30, {"a": 20, "b": 20, "c": 20}, clock)
    assert len(_run(budget, clock, "a", [1] * 20)) == 10
    assert len(_run(budget, clock, "b", [1] * 4)) == 4
    assert len(_run(budget, clock, "c", [1] * 20)) == 16
    assert clock.now == 30


def test_a_costly_example_is_left_out_and_cheaper_ones_after_it_run(clock: Clock) -> None:
    budget = Budget(20, {"a": 4}, clock)
    assert _run(budget, clock, "a", [1, 2, 100, 3]) == [1, 2, 3]
    assert budget.left_out == {"a": 1}
    assert budget.note is not None
    assert "1 of 4 of a" in budget.note
    assert "--budget" in budget.note


def test_the_first_example_always_runs(clock: Clock) -> None:
    budget = Budget(1, {"a": 2, "b": 2}, clock)
    assert _run(budget, clock, "a", [50, 50]) == [50]
    assert _run(budget, clock, "b", [50, 50]) == [50]


def test_the_quickest_rate_predicts_since_small_examples_are_slow_for_their_size(
    clock: Clock,
) -> None:
    budget = Budget(100, {"a": 3}, clock)
    lengths, rates = [1, 8, 80], iter([10.0, 0.5, 0.5])
    examples = [Example.of({"sequence_length": length}, 0) for length in lengths]
    ran = []
    for example in budget.within("a", examples, lambda e: 10**10 * e.axes["sequence_length"]):
        ran.append(example.axes["sequence_length"])
        clock.now += next(rates) * ran[-1]
    assert ran == lengths


def test_requirements_that_run_no_example_take_no_share(clock: Clock) -> None:
    budget = Budget(10, {"a": 0, "b": 20, "c": 20}, clock)
    assert _run(budget, clock, "a", []) == []
    assert len(_run(budget, clock, "c", [1] * 20)) == 10


def test_nothing_is_said_if_everything_ran(clock: Clock) -> None:
    budget = Budget(10, {"a": 2}, clock)
    _run(budget, clock, "a", [1, 1])
    assert budget.note is None


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [(10_000, None), (20_000_000, 30), (110_000_000, 42), (494_000_000, LONGEST)],
)
def test_the_default_follows_the_size_of_the_model(parameters: int, seconds: float | None) -> None:
    found = default_budget(parameters)
    assert found == (None if seconds is None else pytest.approx(seconds))
