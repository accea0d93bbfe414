"""What examples come to at which eager PyTorch itself is unsure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import AtolError, ShapeError
from harness.evidence.sides import Example
from harness.judge.cell import judge_cell
from harness.judge.profiles import Profile
from harness.judge.tally import Tally
from harness.records import CellId, Outcome
from harness.requirements._base import Examined, Failure, Finding, Measure, Requirement

ATOL = 1e-3
MANY = 60

FAR = Examined((Finding(message="too far", error=AtolError),), (Measure("y", 0.5, ATOL, 1.0),))
RIGHT = Examined((), (Measure("y", 1e-4, ATOL, 1.0),), {"y": None})
SHAPED = Examined((Finding(message="a shape", error=ShapeError),), FAR.measures)

NEAR_A_TIE = CellId(architecture="dots1", task="text-generation", opset=18, exporter="torchscript")
"""Of two experts, which eager in float64 decides as eager in float32 does, and the file not."""
TIED = {"batch_size": 12, "sequence_length": 28}, 68575908


@pytest.mark.parametrize(
    ("found", "rounding", "fails"),
    [
        pytest.param(FAR, 0.4, False, id="eager is as far from itself"),
        pytest.param(FAR, 0.051, False, id="ten times further than eager"),
        pytest.param(FAR, 0.049, True, id="more than ten times further"),
        pytest.param(FAR, ATOL, True, id="eager is right to within the tolerance"),
        pytest.param(FAR, float("inf"), True, id="eager in float64 refuses"),
        pytest.param(SHAPED, 0.4, True, id="no difference of numbers"),
    ],
)
def test_an_example_decides_nothing_where_eager_is_as_unsure(
    found: Examined, rounding: float, *, fails: bool
) -> None:
    tally = _tally(MANY, found, at={3}, rounding=rounding)
    assert (tally.first_failing == _example(3)) is fails
    assert tally.undecided == ([] if fails else [_example(3)])
    assert tally.observed == (MANY if fails else MANY - 1)
    assert tally.worst is not None
    assert (tally.worst.max_abs_diff == 0.5) is fails


@pytest.mark.parametrize(
    ("total", "unsure", "fails"),
    [
        (MANY, 3, False),
        (MANY, 4, True),
        (39, 2, True),
        (2, 2, True),
        (2, 1, False),
        (1, 1, True),
    ],
)
def test_more_than_one_example_in_twenty_fails(total: int, unsure: int, *, fails: bool) -> None:
    tally = _tally(total, FAR, at=set(range(unsure)), rounding=0.4)
    assert (tally.first_failing is not None) is fails
    assert len(tally.undecided) == (0 if fails else unsure)
    assert tally.decides_nothing(_example(0)) is not fails


def test_what_asks_for_no_rounding_forgives_none() -> None:
    assert _tally(MANY, FAR, at={3}, rounding=None).first_failing == _example(3)


def test_an_unsure_example_is_not_what_a_failure_shrinks_to() -> None:
    tally = _tally(MANY, SHAPED, at={5}, rounding=0.4, unsure={2})
    assert tally.first_failing == _example(5)
    assert not tally.decides_nothing(_example(5))
    assert tally.decides_nothing(_example(2))


def test_a_tie_of_experts_fails_alone_and_decides_nothing_among_others() -> None:
    alone = judge_cell(NEAR_A_TIE, requirements=["agreement"], axes=TIED[0], seed=TIED[1])
    assert alone.record("agreement").outcome is Outcome.FAILED
    assert "eager PyTorch rounded otherwise is as far" in alone.record("agreement").message
    among = judge_cell(
        NEAR_A_TIE, requirements=["agreement"], profile=Profile("few", (18,), max_examples=150)
    )
    record = among.record("agreement")
    assert (record.outcome, record.examples) == (Outcome.PASSED, 157)
    assert "examples: got 1 of 158 that decide nothing" in record.message


def _example(number: int) -> Example:
    return Example.of({"batch_size": number + 1}, number)


def _tally(
    total: int,
    found: Examined,
    *,
    at: set[int],
    rounding: float | None,
    unsure: set[int] | None = None,
) -> Tally:
    """All examples right but those `at` which `found` was found, and those that are `unsure`."""

    def examine(part: Any, example: Example, atol: float) -> Examined:
        if example.seed in (unsure or ()):
            return FAR
        return found if example.seed in at else RIGHT

    def how_far(failure: Failure) -> float:
        assert failure.example.seed in at | (unsure or set())
        assert rounding is not None
        return rounding

    requirement = Requirement(
        id="agreement",
        rank=1,
        proves="",
        fails_when="",
        examine_example=examine,
        rounding=None if rounding is None else how_far,
    )
    part = SimpleNamespace(stem="model", config=None)
    evidence: Any = SimpleNamespace(parts=[part], together=None)
    tally = Tally(requirement, evidence, ATOL)
    for number in range(total):
        tally.add(_example(number))
    tally.settle()
    return tally
