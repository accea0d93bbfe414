"""What a page shows, computed from a run: plain values, so that templates only lay them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote

from harness.records import CellId, CellReport, Meaning, Outcome, Run, Started
from reports.rungs import Fact, Rung, rung_of
from reports.signs import SIGNS, Sign
from reports.tally import UNCLASSIFIED, modality_of
from reports.verdict import Verdict, verdict_of

_FRAGMENT_SAFE = "/:~@!$()*+,;=?-._"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One planned cell: a square of the matrix and its drill-down."""

    id: str
    fragment: str
    sign: Sign
    conforms: bool
    expected: bool
    seconds: str
    note: str
    rungs: tuple[Rung, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One architecture and task; `blocks` holds per exporter one cell per opset, or None."""

    architecture: str
    task: str
    repeats_architecture: bool
    blocks: tuple[tuple[Cell | None, ...], ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for block in self.blocks for cell in block if cell is not None)

    @property
    def expected(self) -> bool:
        return all(cell.expected for cell in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows of one modality."""

    modality: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """How many cells roll up to an outcome, and how many planned records have it."""

    sign: Sign
    cells: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything on the page of one run; `requirements` is empty where the run does not say."""

    run: str
    verdict: Verdict
    provenance: tuple[Fact, ...]
    totals: tuple[Total, ...]
    planned_cells: int
    planned_records: int
    found_records: int
    conforming_cells: int
    expected_cells: int
    exporters: tuple[str, ...]
    opsets: tuple[int, ...]
    groups: tuple[Group, ...]
    requirements: Mapping[str, Meaning]

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(cell for group in self.groups for row in group.rows for cell in row.cells)


def page_of(run: Run) -> Page:
    """Return what the page of `run` shows; raises UsageError where a planned cell id is none."""
    reports = run.reports()
    planned = [(cell, name) for cell, names in run.header.planned.items() for name in names]
    exporters = tuple(sorted({report.cell.exporter for report in reports}))
    opsets = tuple(sorted({report.cell.opset for report in reports}))
    found = sum(pair in run.records for pair in planned)
    return Page(
        run=run.header.run,
        verdict=verdict_of(run, reports),
        provenance=_provenance(run, outside_plan=len(run.records) - found),
        totals=_totals(reports),
        planned_cells=len(reports),
        planned_records=len(planned),
        found_records=found,
        conforming_cells=sum(report.conforms for report in reports),
        expected_cells=sum(report.expected for report in reports),
        exporters=exporters,
        opsets=opsets,
        groups=_groups(run, reports, columns=(exporters, opsets)),
        requirements=run.header.requirements,
    )


def _provenance(run: Run, *, outside_plan: int) -> tuple[Fact, ...]:
    header = run.header
    facts = {
        "started": header.started,
        "profile": header.profile,
        "seed": header.seed,
        "platform": header.platform,
        **header.versions,
    }
    if outside_plan:
        facts["records outside the plan (not shown)"] = outside_plan
    return tuple(Fact(name=name, value=str(value)) for name, value in facts.items())


def _totals(reports: list[CellReport]) -> tuple[Total, ...]:
    cells = Counter(report.outcome for report in reports)
    records = Counter(record.outcome for report in reports for record in report.records)
    return tuple(
        Total(sign=SIGNS[outcome], cells=cells[outcome], records=records[outcome])
        for outcome in Outcome
    )


def _groups(
    run: Run, reports: list[CellReport], *, columns: tuple[tuple[str, ...], tuple[int, ...]]
) -> tuple[Group, ...]:
    started = {str(entry.cell): entry for entry in run.started}
    rows: dict[str, dict[tuple[str, str], dict[tuple[str, int], Cell]]] = {}
    for report in sorted(reports, key=_row_order):
        cell = report.cell
        modality = modality_of(run.header, cell)
        row = rows.setdefault(modality, {}).setdefault((_name(cell), cell.task), {})
        row[cell.exporter, cell.opset] = _cell(report, started.get(str(cell)))
    ordered = sorted(rows, key=lambda modality: (modality == UNCLASSIFIED, modality))
    return tuple(Group(modality=key, rows=_rows(rows[key], columns)) for key in ordered)


def _rows(
    found: Mapping[tuple[str, str], Mapping[tuple[str, int], Cell]],
    columns: tuple[tuple[str, ...], tuple[int, ...]],
) -> tuple[Row, ...]:
    exporters, opsets = columns
    return tuple(
        Row(
            architecture=architecture,
            task=task,
            repeats_architecture=index > 0,
            blocks=tuple(tuple(cells.get((e, opset)) for opset in opsets) for e in exporters),
        )
        for architecture, same in groupby(found.items(), key=lambda item: item[0][0])
        for index, ((_, task), cells) in enumerate(same)
    )


def _row_order(report: CellReport) -> tuple[bool, str, str, str, str, CellId]:
    cell = report.cell
    is_foreign = cell.library != "transformers"
    return is_foreign, cell.library, cell.architecture, cell.variant, cell.task, cell


def _name(cell: CellId) -> str:
    return str(cell).partition("/")[0]


def _cell(report: CellReport, started: Started | None) -> Cell:
    return Cell(
        id=str(report.cell),
        fragment="#" + quote(str(report.cell), safe=_FRAGMENT_SAFE, errors="replace"),
        sign=SIGNS[report.outcome],
        conforms=report.conforms,
        expected=report.expected,
        seconds=f"{sum(record.seconds for record in report.records):.2f} s",
        note=_note(report, started),
        rungs=tuple(rung_of(record) for record in report.records),
    )


def _note(report: CellReport, started: Started | None) -> str:
    if started is None or Outcome.NOT_RUN not in {record.outcome for record in report.records}:
        return ""
    return f"Process {started.process} began with this cell at {started.time} and did not finish."
