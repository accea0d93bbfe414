"""Measure how large a tolerance a cell needs, and how much of that is eager's rounding error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import HarnessError, one_line
from harness.evidence.example import Example
from harness.evidence.exceptions import read_exceptions
from harness.evidence.fixtures import TinyModel, find_stored_atol, read_fixture
from harness.judge.cell import make_request, prepare_cell, why_not_applicable
from harness.judge.measured_tolerance import tolerance_of_tiny
from harness.judge.profiles import Profile
from harness.judge.rounding import (
    EXAMPLES,
    NO_LIMIT,
    UnmeasurableError,
    distances_to_float64,
    float64_outputs,
    largest_allowed_atol,
    measures_or_raise,
)
from harness.records import CellId, Outcome

if TYPE_CHECKING:
    from harness.evidence.sides import Sides
    from harness.judge.prepared_cell import PreparedCell
    from harness.requirements.shared.requirement import Measure

EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The largest difference over all examples and outputs of a cell, and where it occurred."""

    max_abs_diff: float
    part: str
    output: str
    axes: Mapping[str, int]
    seed: int

    def __str__(self) -> str:
        return f"{self.part}: {self.output} at {Example.of(dict(self.axes), self.seed)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCell:
    """Largest differences of one cell.

    `needed`: the file to eager in float32, as `agreement` measures it. `eager`: eager in float32
    to eager in float64. `candidate`: the file to eager in float64. `atol` is None if it is neither
    stated nor stored, so that each verdict measures it. `holder` is the tiny model in whose file it
    is or can be stored, and `reason` why it may exceed `allowed`.
    """

    cell: CellId
    holder: TinyModel
    atol: float | None
    is_stated: bool = False
    reason: str = ""
    examples: int
    needed: Peak
    eager: Peak
    candidate: Peak

    @property
    def is_sufficient(self) -> bool:
        """Whether `agreement` passes; a tolerance that is measured is as large as is allowed."""
        return self.needed.max_abs_diff <= (self.allowed if self.atol is None else self.atol)

    @property
    def allowed(self) -> float:
        """The largest atol that the eager rounding error of this cell allows."""
        return largest_allowed_atol(self.eager.max_abs_diff)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmeasuredCell:
    """A cell that could not be measured, and why: not applicable, failed, or without a model.

    `has_file` is False if the exporter wrote no file.
    """

    cell: CellId
    outcome: Outcome
    message: str
    has_file: bool = True


def measure_cell(
    cell: CellId, *, count: int = EXAMPLES, seed: int = 0
) -> MeasuredCell | UnmeasuredCell:
    """Export the tiny model of a cell and measure it on regressions, corners and `count` examples.

    The examples are drawn from `seed`, as in `judge_cell`. Raises UsageError for an unknown cell.
    """
    profile = Profile("tolerances", opsets=(cell.opset,), max_examples=count)
    request = make_request(cell, requirements=[EXPORT], profile=profile, seed=seed)
    try:
        reason = why_not_applicable(request)
        if reason is not None:
            return UnmeasuredCell(cell=cell, outcome=Outcome.NOT_APPLICABLE, message=reason)
        with prepare_cell(request) as prepared:
            return _measure(prepared)
    except UnmeasurableError as error:
        return UnmeasuredCell(cell=cell, outcome=Outcome.FAILED, message=one_line(error))
    except HarnessError as error:
        return UnmeasuredCell(cell=cell, outcome=Outcome.ERRORED, message=one_line(error))


def _measure(prepared: PreparedCell) -> MeasuredCell | UnmeasuredCell:
    from harness.judge.ladder import run_requirements

    cell = prepared.cell
    (exported,) = run_requirements(prepared)
    if exported.outcome is not Outcome.PASSED:
        return UnmeasuredCell(
            cell=cell, outcome=exported.outcome, message=exported.message, has_file=False
        )
    decided = _decided_examples(prepared)
    peaks = _largest(
        row
        for example in decided
        for sides in prepared.evidence.sides
        for row in _differences(sides, example)
    )
    model, config = TinyModel(cell.architecture, cell.variant), prepared.evidence.config
    tolerance = tolerance_of_tiny(model, config)
    holder, _ = find_stored_atol(model, cell.task)
    exceptions = read_exceptions(read_fixture(holder))
    return MeasuredCell(
        cell=cell,
        holder=holder,
        atol=None if tolerance is None else tolerance.largest,
        is_stated=config.stated_atol is not None,
        reason=next((e.reason for e in exceptions if e.covers("tolerance", "", cell.task)), ""),
        examples=len(decided),
        needed=peaks["needed"],
        eager=peaks["eager"],
        candidate=peaks["candidate"],
    )


def _decided_examples(prepared: PreparedCell) -> list[Example]:
    """Return the examples that are not undecided at the declared tolerance.

    At the rare undecided examples, eager's own rounding error exceeds the tolerance. They alone
    would determine the measured maximum.
    """
    from harness.judge.example_results import ExampleResults
    from harness.requirements.agreement import REQUIREMENT

    results = ExampleResults(REQUIREMENT, prepared.evidence, prepared.tolerance_of)
    for example in prepared.examples:
        results.add(example)
    results.finish()
    return [example for example in prepared.examples if example not in results.undecided]


def _differences(sides: Sides, example: Example) -> Iterator[tuple[str, Peak]]:
    """Yield (`needed`, `eager` or `candidate`, difference) for each output of one example."""
    try:
        for quantity, measures in _measures(sides, example):
            for measure in measures:
                yield quantity, _peak(measure, sides, example)
    except UnmeasurableError as error:
        raise UnmeasurableError(f"{sides.stem}: {error} [{example}]") from error


def _measures(sides: Sides, example: Example) -> Iterator[tuple[str, Iterable[Measure]]]:
    from harness.requirements.agreement import examine_sides

    # First, since its message names the side that refuses the feed.
    yield "needed", measures_or_raise(examine_sides(sides, example, NO_LIMIT))
    expected = float64_outputs(sides, example)
    yield "eager", distances_to_float64(sides.reference(example), expected)
    yield "candidate", distances_to_float64(sides.candidate(example), expected)


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
