"""How large a tolerance a cell needs, and how much of that is eager's own rounding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import HarnessError, one_line
from harness.evidence.sides import Example
from harness.judge.cell import make_request, prepared, why_not_applicable
from harness.judge.profiles import Profile
from harness.judge.rounding import (
    EXAMPLES,
    FORGIVING,
    UnmeasurableError,
    beside_float64,
    float64_outputs,
    largest_allowed,
    unless_found,
)
from harness.records import CellId, Outcome

if TYPE_CHECKING:
    from harness.evidence.sides import Sides
    from harness.judge.ladder import Judgement
    from harness.requirements._base import Measure

GATE = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The largest difference over all examples and outputs of a cell, and where it stands."""

    max_abs_diff: float
    part: str
    output: str
    axes: Mapping[str, int]
    seed: int

    def __str__(self) -> str:
        return f"{self.part}: {self.output} at {Example.of(dict(self.axes), self.seed)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a cell needs: `needed` is the file's distance to eager in float32, which `agreement`
    judges, `eager` and `candidate` are the distances of those two to eager in float64."""

    cell: CellId
    atol: float
    examples: int
    needed: Peak
    eager: Peak
    candidate: Peak

    @property
    def is_sufficient(self) -> bool:
        return self.needed.max_abs_diff <= self.atol

    @property
    def allowed(self) -> float:
        """The largest tolerance that the tiny model of this cell speaks for."""
        return largest_allowed(self.eager.max_abs_diff)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmeasured:
    """A cell without a number, and why: it is not applicable, it failed, or there is no model."""

    cell: CellId
    outcome: Outcome
    message: str


def measure_cell(cell: CellId, *, count: int = EXAMPLES, seed: int = 0) -> Measured | Unmeasured:
    """Export the tiny model of a cell and measure it on regressions, corners and `count` examples.

    They are drawn from `seed` as `judge_cell` does. Raises UsageError for a cell that is not there.
    """
    profile = Profile("tolerances", opsets=(cell.opset,), max_examples=count)
    request = make_request(cell, requirements=[GATE], profile=profile, seed=seed)
    try:
        reason = why_not_applicable(request)
        if reason is not None:
            return Unmeasured(cell=cell, outcome=Outcome.NOT_APPLICABLE, message=reason)
        with prepared(request) as judgement:
            return _measure(judgement)
    except UnmeasurableError as error:
        return Unmeasured(cell=cell, outcome=Outcome.FAILED, message=one_line(error))
    except HarnessError as error:
        return Unmeasured(cell=cell, outcome=Outcome.ERRORED, message=one_line(error))


def _measure(judgement: Judgement) -> Measured | Unmeasured:
    from harness.judge.ladder import climb

    cell = judgement.cell
    (gate,) = climb(judgement)
    if gate.outcome is not Outcome.PASSED:
        return Unmeasured(cell=cell, outcome=gate.outcome, message=gate.message)
    decided = _decided(judgement)
    peaks = _largest(
        row
        for example in decided
        for sides in judgement.evidence.sides
        for row in _differences(sides, example)
    )
    return Measured(
        cell=cell,
        atol=judgement.atol,
        examples=len(decided),
        needed=peaks["needed"],
        eager=peaks["eager"],
        candidate=peaks["candidate"],
    )


def _decided(judgement: Judgement) -> list[Example]:
    """The examples that `agreement` judges at the declared tolerance: those at which eager itself
    is off by more are rare, and would set it alone."""
    from harness.judge.tally import Tally
    from harness.requirements.agreement import REQUIREMENT

    tally = Tally(REQUIREMENT, judgement.evidence, judgement.atol)
    for example in judgement.examples:
        tally.add(example)
    tally.settle()
    return [example for example in judgement.examples if example not in tally.undecided]


def _differences(sides: Sides, example: Example) -> Iterator[tuple[str, Peak]]:
    """Of one example: the quantity that is measured, and the difference of one output."""
    try:
        for quantity, measures in _measures(sides, example):
            for measure in measures:
                yield quantity, _peak(measure, sides, example)
    except UnmeasurableError as error:
        raise UnmeasurableError(f"{sides.stem}: {error} [{example}]") from error


def _measures(sides: Sides, example: Example) -> Iterator[tuple[str, Iterable[Measure]]]:
    from harness.requirements.agreement import examine_sides

    # First, since it names the side that refuses the feed.
    yield "needed", unless_found(examine_sides(sides, example, FORGIVING))
    expected = float64_outputs(sides, example)
    yield "eager", beside_float64(sides.reference(example), expected)
    yield "candidate", beside_float64(sides.candidate(example), expected)


def _peak(measure: Measure, sides: Sides, example: Example) -> Peak:
    return Peak(
        max_abs_diff=measure.max_abs_diff,
        part=sides.stem,
        output=measure.output,
        axes=example.axes,
        seed=example.seed,
    )


def _largest(rows: Iterable[tuple[str, Peak]]) -> dict[str, Peak]:
    largest: dict[str, Peak] = {}
    for quantity, peak in rows:
        if quantity not in largest or peak.max_abs_diff > largest[quantity].max_abs_diff:
            largest[quantity] = peak
    return largest
