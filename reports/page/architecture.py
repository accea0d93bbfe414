"""The page of one architecture: its matrix, the details of each cell, its numeric exactness."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from harness.records import CellReport, Meaning, Outcome, Run, Started
from reports.badges import Badge, badges_of
from reports.cell_details import (
    Fact,
    OutputError,
    RequirementRow,
    covered_sizes,
    output_errors,
    requirement_rows,
)
from reports.page.interface import Interface, interface_of
from reports.page.matrix import Columns, Group, MatrixRow, Square, columns_of, page_path, rows_of
from reports.page.plot import Plot, plot_of
from reports.page.provenance import provenance_of
from reports.page.support import Support, support_of
from reports.repro import script_path
from reports.signs import SIGNS, Sign
from reports.survey import NO_SURVEY, Survey
from reports.text import file_part
from reports.verdict import Verdict, verdict_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilldown:
    """The details of one cell. `script` links to a standalone script that shows its defect."""

    square: Square
    seconds: str
    note: str
    rows: tuple[RequirementRow, ...]
    outputs: tuple[OutputError, ...]
    covered: Mapping[str, str]
    interface: Interface | None
    script: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The sizes that each axis had in the cells of one row of the matrix."""

    row: str
    axes: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitecturePage:
    """All values on the page of one architecture, including its variants."""

    run: str
    name: str
    path: str
    modality: str
    verdict: Verdict
    conforming_cells: int
    applicable_cells: int
    planned_cells: int
    counts: tuple[tuple[Sign, int], ...]
    columns: Columns
    groups: tuple[Group, ...]
    support: tuple[Support, ...]
    plots: tuple[Plot, ...]
    coverage: tuple[Coverage, ...]
    requirements: Mapping[str, Meaning]
    provenance: tuple[Fact, ...]
    badge: Badge
    drilldowns: tuple[Drilldown, ...]


def architecture_pages(
    run: Run, scripts: Collection[str] = (), survey: Survey = NO_SURVEY
) -> Iterator[ArchitecturePage]:
    """Yield the page of each planned architecture.

    `scripts` are the standalone scripts' paths, relative to the run's folder. Raises UsageError if
    the plan has an invalid cell id.
    """
    reports = run.reports()
    columns = columns_of(reports)
    rows: dict[str, list[MatrixRow]] = {}
    for row in rows_of(run, reports, columns, survey):
        rows.setdefault(row.architecture, []).append(row)
    verdict, provenance = verdict_of(run, reports), provenance_of(run)
    badges = {badge.name: badge for badge in badges_of(run)}
    started = {str(entry.cell): entry for entry in run.started}
    for name, same in rows.items():
        found = [report for row in same for report in row.reports]
        own = _used_columns(columns, found)
        same = [_with_columns(row, columns, own) for row in same]
        yield ArchitecturePage(
            run=run.header.run,
            name=name,
            path=page_path(name),
            modality=same[0].modality,
            verdict=verdict,
            conforming_cells=sum(report.conforms for report in found),
            applicable_cells=sum(r.outcome is not Outcome.NOT_APPLICABLE for r in found),
            planned_cells=len(found),
            counts=_counts(found),
            columns=own,
            groups=_by_model(same),
            support=tuple(s for row in same for s in support_of(row, own)),
            plots=tuple(plot for row in same if (plot := plot_of(row, own)) is not None),
            coverage=tuple(_coverage(same)),
            requirements=run.header.requirements,
            provenance=provenance,
            badge=badges[f"architecture-{file_part(name)}"],
            drilldowns=tuple(
                _drilldown(square, started, scripts)
                for row in same
                for square in row.squares
                if square is not None
            ),
        )


def _used_columns(columns: Columns, reports: Sequence[CellReport]) -> Columns:
    """Return the columns in which the architecture has a cell, or all if it has none."""
    return columns_of(reports) if reports else columns


def _with_columns(row: MatrixRow, columns: Columns, own: Columns) -> MatrixRow:
    """Return the row, with squares for the columns `own` in place of `columns`."""
    if own == columns:
        return row
    placed = {own.place(square.report): square for square in row.squares if square is not None}
    return MatrixRow(
        name=row.name,
        architecture=row.architecture,
        task=row.task,
        modality=row.modality,
        squares=tuple(placed.get(place) for place in range(own.count)),
        is_registered=row.is_registered,
    )


def _by_model(rows: Sequence[MatrixRow]) -> tuple[Group, ...]:
    """Return a group for the architecture's tiny model and for each variant, tasks sorted."""
    models: dict[str, list[MatrixRow]] = {}
    for row in sorted(rows, key=lambda row: (row.name, row.task)):
        models.setdefault(row.name, []).append(row)
    return tuple(Group(name, tuple(same)) for name, same in models.items())


def _counts(reports: Sequence[CellReport]) -> tuple[tuple[Sign, int], ...]:
    counts = ((outcome, sum(r.outcome is outcome for r in reports)) for outcome in Outcome)
    return tuple((SIGNS[outcome], count) for outcome, count in counts if count)


def _coverage(rows: Sequence[MatrixRow]) -> Iterator[Coverage]:
    for row in rows:
        if axes := covered_sizes(record for report in row.reports for record in report.records):
            yield Coverage(row=f"{row.name} {row.task}", axes=axes)


def _drilldown(
    square: Square, started: Mapping[str, Started], scripts: Collection[str]
) -> Drilldown:
    report = square.report
    script = script_path(report.cell)
    return Drilldown(
        square=square,
        seconds=f"{sum(record.seconds for record in report.records):.2f} s",
        note=_note(report, started.get(square.id)),
        rows=requirement_rows(report),
        outputs=output_errors(report),
        covered=covered_sizes(report.records),
        interface=interface_of(report),
        script=f"../{quote(script, safe='/+=')}" if script in scripts else None,
    )


def _note(report: CellReport, started: Started | None) -> str:
    if started is None or Outcome.NOT_RUN not in {record.outcome for record in report.records}:
        return ""
    return f"Process {started.process} started this cell at {started.time} and did not finish it."
