"""Examples at which eager PyTorch's own rounding error is large: undecided, or failing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.configs import plugins
from harness.configs.axis_space import AxisSpace
from harness.configs.feeds import FeedKind, seed_of
from harness.errors import AtolError, ShapeError
from harness.evidence.example import Example
from harness.evidence.reference import EagerError
from harness.evidence.tolerance import Origin, Tolerance
from harness.judge.cell import judge_cell
from harness.judge.example_results import ExampleResults
from harness.records import CellId, Outcome
from harness.requirements.shared.requirement import Examined, Failure, Finding, Measure, Requirement

ATOL = 1e-3
STATED = Tolerance.stated(ATOL)
MANY = 60

FAR = Examined((Finding(message="too far", error=AtolError),), (Measure("y", 0.5, ATOL, 1.0),))
RIGHT = Examined((), (Measure("y", 1e-4, ATOL, 1.0),), {"y": None})
SHAPED = Examined((Finding(message="a shape", error=ShapeError),), FAR.measures)

NEAR_A_TIE = CellId(architecture="dots1", task="text-generation", opset=18, exporter="torchscript")
"""A cell whose router scores two experts almost alike in the example `TIED`.

The file chooses another expert than eager, which chooses the same in float32 and in float64.
"""
TIED = {"batch_size": 4, "sequence_length": 16}, 31800


@pytest.mark.parametrize(
    ("found", "rounding", "fails"),
    [
        pytest.param(FAR, 400.0, False, id="eager is as far from itself"),
        pytest.param(FAR, 51.0, False, id="ten times further than eager"),
        pytest.param(FAR, 49.0, True, id="more than ten times further"),
        pytest.param(FAR, 1.0, True, id="eager is right to within the tolerance"),
        pytest.param(FAR, float("inf"), True, id="eager in float64 refuses"),
        pytest.param(SHAPED, 400.0, True, id="no difference of numbers"),
    ],
)
def test_an_example_is_undecided_if_eager_rounds_by_as_much(
    found: Examined, rounding: float, *, fails: bool
) -> None:
    results = _results(MANY, found, at={3}, rounding=rounding)
    assert (results.first_failing == _example(3)) is fails
    assert results.undecided == ([] if fails else [_example(3)])
    assert results.observed == (MANY if fails else MANY - 1)
    assert results.worst is not None
    assert (results.worst.max_abs_diff == 0.5) is fails


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
    results = _results(total, FAR, at=set(range(unsure)), rounding=400.0)
    assert (results.first_failing is not None) is fails
    assert len(results.undecided) == (0 if fails else unsure)
    assert results.is_undecided(_example(0)) is not fails


def test_without_a_rounding_function_no_example_is_undecided() -> None:
    assert _results(MANY, FAR, at={3}, rounding=None).first_failing == _example(3)


def test_a_failure_does_not_shrink_to_an_undecided_example() -> None:
    results = _results(MANY, SHAPED, at={5}, rounding=400.0, unsure={2})
    assert results.first_failing == _example(5)
    assert not results.is_undecided(_example(5))
    assert results.is_undecided(_example(2))


def test_a_tie_of_experts_fails_alone_and_is_undecided_among_other_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes, seed = TIED
    alone = judge_cell(NEAR_A_TIE, requirements=["agreement"], axes=axes, seed=seed)
    assert alone.record("agreement").outcome is Outcome.FAILED
    message = alone.record("agreement").message
    assert "atol is smaller than 10 x the rounding error of eager PyTorch here" in message
    monkeypatch.setattr(plugins, "_fixture_directories", [])
    entry = {"task": NEAR_A_TIE.task, "axes": axes, "seed": seed, "found": "by a search"}
    (tmp_path / "regressions").mkdir()
    (tmp_path / "regressions/dots1.json").write_text(json.dumps([entry]))
    plugins.register_fixtures(tmp_path)
    among = judge_cell(NEAR_A_TIE, requirements=["agreement"], profile="smoke")
    record = among.record("agreement")
    assert record.outcome is Outcome.PASSED, record.message
    undecided = f"got 1 undecided of {record.examples + 1}, since the rounding error"
    assert undecided in record.message


LONG = AxisSpace.over({"sequence_length"}, overrides={}, ceilings={"sequence_length": 1000})
LENGTHS = (1, 10, 50, 100, 1000)
MEASURED = Tolerance(Origin.MEASURED, ATOL, {"y": ATOL}, limits={"y": ATOL})


@pytest.mark.parametrize(
    ("loud", "tolerance", "rounding", "reached"),
    [
        pytest.param({100, 1000}, MEASURED, 400.0, 50, id="eager rounds too much from 100 on"),
        pytest.param({100}, MEASURED, 400.0, 1000, id="eager rounds too much at 100"),
        pytest.param({50, 100}, MEASURED, 400.0, 1000, id="most that decide are shorter"),
        pytest.param({100, 1000}, MEASURED, 1.0, None, id="eager does not: the file is wrong"),
        pytest.param({10, 50, 100}, MEASURED, 400.0, None, id="most that decide are longer"),
        pytest.param(set(LENGTHS), MEASURED, 400.0, None, id="none decides"),
        pytest.param({100, 1000}, Tolerance.stated(ATOL), 400.0, None, id="a stated tolerance"),
    ],
)
def test_beyond_most_examples_that_decide_ordinary_ones_may_be_undecided(
    loud: set[int], tolerance: Tolerance, rounding: float, reached: int | None
) -> None:
    examples = [
        Example.of({"sequence_length": size}, seed_of(FeedKind.ORDINARY, size)) for size in LENGTHS
    ]
    results = _results(
        examples,
        FAR,
        at={e.seed for e in examples if e.axes["sequence_length"] in loud},
        rounding=rounding,
        space=LONG,
        tolerance=tolerance,
    )
    assert (results.first_failing is None) is (reached is not None)
    if reached is not None:
        assert max(results.covered["sequence_length"]) == reached
        assert len(results.undecided) == len(loud)


def _example(number: int) -> Example:
    return Example.of({"batch_size": number + 1}, number)


def test_a_landmark_beyond_the_end_of_the_domain_counts_up_to_that_end() -> None:
    space = AxisSpace.over({"n"}, overrides={}, ceilings={"n": 64}, landmarks={"n": (9, 200)})
    results = _results(0, RIGHT, at=set(), rounding=None, space=space)
    assert results.bounds == {"n": 64}


def test_a_bound_of_one_axis_is_not_shortened_by_another_of_the_same_sum() -> None:
    limits = {"sequence_length": 64, "past_sequence_length + sequence_length": 64}
    names = {"past_sequence_length", "sequence_length"}
    space = AxisSpace.over(names, overrides={}, ceilings=limits)
    assert _results(0, RIGHT, at=set(), rounding=None, space=space).bounds == limits


def _results(
    chosen: int | Sequence[Example],
    found: Examined,
    *,
    at: set[int],
    rounding: float | None,
    unsure: set[int] | None = None,
    space: AxisSpace | None = None,
    tolerance: Tolerance = STATED,
) -> ExampleResults:
    """Return results in which the examples with a seed in `at` get `found`.

    `chosen` are the examples, or how many are made. `rounding` is a multiple of atol. The examples
    in `unsure` get `FAR`, all others `RIGHT`.
    """

    def examine(part: Any, example: Example, tolerance: Tolerance) -> Examined:
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
        measure_rounding=None if rounding is None else how_far,
    )

    def refuse(example: Example) -> None:
        raise EagerError("no reference")

    part = SimpleNamespace(stem="model", config=None, reference=refuse)
    config = SimpleNamespace(axis_space=space or AxisSpace({}))
    evidence: Any = SimpleNamespace(config=config, parts=[part], together=None)
    results = ExampleResults(requirement, evidence, lambda _: tolerance)
    for example in map(_example, range(chosen)) if isinstance(chosen, int) else chosen:
        results.add(example)
    results.finish()
    return results
