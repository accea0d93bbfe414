"""The first page: the verdict, the totals, the look-up of a model, and the matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.records import CellReport, Meaning, Outcome, Run
from reports.badges import Badge, badges_of
from reports.cell_details import Fact
from reports.page.facets import facets_of
from reports.page.matrix import (
    Columns,
    Group,
    MatrixRow,
    Square,
    by_modality_and_task,
    columns_of,
    page_path,
    rows_of,
)
from reports.page.provenance import provenance_of
from reports.signs import SIGNS, Sign
from reports.survey import NO_SURVEY, Progress, Survey
from reports.tally import architecture_of, unexpected
from reports.verdict import Verdict, verdict_of

_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """An outcome, with the number of cells and the number of planned records that have it."""

    sign: Sign
    cells: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnexpectedCell:
    """A cell that makes the run red, and the first line of its worst record's message."""

    square: Square
    href: str
    headline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnregisteredArchitecture:
    """An architecture of transformers without a registered description, and its tasks.

    Each task has its progress by a survey, or None if the survey has no line for it.
    """

    architecture: str
    tasks: tuple[tuple[str, Progress | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """All values on the first page; `requirements` is empty if the run does not explain them."""

    run: str
    verdict: Verdict
    totals: tuple[Total, ...]
    planned_cells: int
    applicable_cells: int
    conforming_cells: int
    expected_cells: int
    planned_records: int
    judged_records: int
    unexpected: tuple[UnexpectedCell, ...]
    more_unexpected: int
    columns: Columns
    groups: Mapping[str, list[Group]]
    architectures: Mapping[str, str]
    facets: Mapping[str, Any]
    requirements: Mapping[str, Meaning]
    provenance: tuple[Fact, ...]
    badges: tuple[Badge, ...]
    not_registered: tuple[UnregisteredArchitecture, ...]
    surveyed: tuple[tuple[str, int], ...]

    @property
    def rows(self) -> tuple[MatrixRow, ...]:
        """All rows in the order of the page."""
        return tuple(row for groups in self.groups.values() for g in groups for row in g.rows)


def index_of(run: Run, survey: Survey = NO_SURVEY) -> Index:
    """Return the values of the first page; raises UsageError if the plan has an invalid cell id."""
    reports = run.reports()
    columns = columns_of(reports)
    groups = by_modality_and_task(rows_of(run, reports, columns, survey))
    outcomes = Counter(record.outcome for report in reports for record in report.records)
    judged = [r for r in unexpected(reports) if r.outcome is not Outcome.NOT_RUN]
    return Index(
        run=run.header.run,
        verdict=verdict_of(run, reports),
        totals=_totals(reports, outcomes),
        planned_cells=len(reports),
        applicable_cells=sum(r.outcome is not Outcome.NOT_APPLICABLE for r in reports),
        conforming_cells=sum(report.conforms for report in reports),
        expected_cells=sum(report.expected for report in reports),
        planned_records=outcomes.total(),
        judged_records=outcomes.total() - outcomes[Outcome.NOT_RUN],
        unexpected=tuple(map(_unexpected_cell, judged[:_SHOWN])),
        more_unexpected=max(0, len(judged) - _SHOWN),
        columns=columns,
        groups=groups,
        architectures={
            name: page_path(name) for name in sorted({architecture_of(r.cell) for r in reports})
        },
        facets=facets_of(
            (group for same in groups.values() for group in same),
            columns,
            requirements_of(run, reports),
        ),
        requirements=run.header.requirements,
        provenance=provenance_of(run),
        badges=tuple(badges_of(run)),
        not_registered=_not_registered(run, survey),
        surveyed=survey.counts(
            (architecture, task)
            for architecture, tasks in run.header.not_registered.items()
            for task in tasks
        ),
    )


def requirements_of(run: Run, reports: Iterable[CellReport]) -> list[str]:
    """Return all planned requirements: in the header's order, then those it does not explain."""
    planned = dict.fromkeys(record.requirement for r in reports for record in r.records)
    explained = [name for name in run.header.requirements if name in planned]
    return [*explained, *(name for name in planned if name not in explained)]


def _totals(reports: Sequence[CellReport], records: Counter[Outcome]) -> tuple[Total, ...]:
    cells = Counter(report.outcome for report in reports)
    return tuple(
        Total(sign=SIGNS[outcome], cells=cells[outcome], records=records[outcome])
        for outcome in Outcome
    )


def _unexpected_cell(report: CellReport) -> UnexpectedCell:
    square, worst = Square(report), report.worst
    return UnexpectedCell(
        square=square,
        href=page_path(architecture_of(report.cell)) + square.fragment,
        headline=f"{worst.requirement}: {worst.headline}" if worst.message else worst.headline,
    )


def _not_registered(run: Run, survey: Survey) -> tuple[UnregisteredArchitecture, ...]:
    """Return the architectures without any row in the matrix."""
    planned = {report.cell.architecture for report in run.reports()}
    return tuple(
        UnregisteredArchitecture(
            architecture=architecture,
            tasks=tuple((task, survey.progress(architecture, task)) for task in tasks),
        )
        for architecture, tasks in run.header.not_registered.items()
        if architecture not in planned
    )
