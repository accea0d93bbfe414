"""The matrix of a run: one square per cell, arranged in rows, groups and columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from harness.records import CellId, CellReport, Outcome, Run
from reports.signs import SIGNS, Sign
from reports.survey import NO_SURVEY, Progress, Survey
from reports.tally import UNCLASSIFIED, architecture_of, modality_of
from reports.text import file_part, visible

FOLDER = "architectures"
_FRAGMENT_SAFE = "/:~@!$()*+,;=?-._"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a matrix: one per exporter and opset of the run."""

    exporters: tuple[str, ...]
    opsets: tuple[int, ...]

    def place(self, report: CellReport) -> int:
        """Return the index of a cell's column, counted from 0."""
        exporter = self.exporters.index(report.cell.exporter)
        return exporter * len(self.opsets) + self.opsets.index(report.cell.opset)

    @property
    def count(self) -> int:
        return len(self.exporters) * len(self.opsets)


@dataclass(frozen=True, slots=True)
class Square:
    """One planned cell of the matrix."""

    report: CellReport

    @property
    def id(self) -> str:
        return visible(str(self.report.cell))

    @property
    def fragment(self) -> str:
        """The fragment of a URL that leads to the cell, on any page that shows it."""
        return "#" + quote(self.id, safe=_FRAGMENT_SAFE, errors="replace")

    @property
    def sign(self) -> Sign:
        return SIGNS[self.report.outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """One tiny model and task, with a square per column; None if that cell is not planned.

    Tasks that transformers has for the architecture, but that are not registered, have a row
    without squares; its `is_registered` is false, and `progress` says how far a survey got.
    """

    name: str
    architecture: str
    task: str
    modality: str
    squares: tuple[Square | None, ...]
    is_registered: bool = True
    progress: Progress | None = None

    @property
    def reports(self) -> list[CellReport]:
        return [square.report for square in self.squares if square is not None]

    @property
    def href(self) -> str:
        return page_path(self.architecture)

    @property
    def conforming(self) -> int:
        return sum(report.conforms for report in self.reports)

    @property
    def applicable(self) -> int:
        """The number of cells that are applicable; `conforming` is counted out of these."""
        return sum(report.outcome is not Outcome.NOT_APPLICABLE for report in self.reports)


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one task; on an architecture's page, the rows of one tiny model."""

    title: str
    rows: tuple[MatrixRow, ...]


def page_path(architecture: str) -> str:
    """Return the path of an architecture's page, relative to the index; the same in every run."""
    return f"{FOLDER}/{file_part(architecture)}.html"


def columns_of(reports: Sequence[CellReport]) -> Columns:
    """Return the columns for all exporters and opsets of the reports."""
    return Columns(
        exporters=tuple(sorted({report.cell.exporter for report in reports})),
        opsets=tuple(sorted({report.cell.opset for report in reports})),
    )


def rows_of(
    run: Run, reports: Sequence[CellReport], columns: Columns, survey: Survey = NO_SURVEY
) -> list[MatrixRow]:
    """Return all rows, by library (transformers first), architecture, variant and task."""
    cells: dict[tuple[str, str], list[CellReport]] = defaultdict(list)
    for report in sorted(reports, key=_order):
        cells[str(report.cell).partition("/")[0], report.cell.task].append(report)
    rows = [
        MatrixRow(
            name=name,
            architecture=architecture_of(same[0].cell),
            task=task,
            modality=modality_of(run.header, same[0].cell),
            squares=_squares(same, columns),
        )
        for (name, task), same in cells.items()
    ]
    return [*rows, *_not_registered(run, rows, columns, survey)]


def by_modality_and_task(rows: Iterable[MatrixRow]) -> dict[str, list[Group]]:
    """Return modality -> a group per task, both sorted; rows without a modality come last."""
    found: dict[tuple[bool, str], dict[str, list[MatrixRow]]] = {}
    for row in rows:
        key = (row.modality == UNCLASSIFIED, row.modality)
        found.setdefault(key, {}).setdefault(row.task, []).append(row)
    return {
        modality: [
            Group(task, tuple(sorted(same, key=lambda row: row.name)))
            for task, same in sorted(tasks.items())
        ]
        for (_, modality), tasks in sorted(found.items())
    }


def _squares(reports: Iterable[CellReport], columns: Columns) -> tuple[Square | None, ...]:
    placed = {columns.place(report): Square(report) for report in reports}
    return tuple(placed.get(place) for place in range(columns.count))


def _not_registered(
    run: Run, rows: Sequence[MatrixRow], columns: Columns, survey: Survey
) -> Iterator[MatrixRow]:
    modalities: Mapping[str, str] = {row.name: row.modality for row in rows}
    for architecture, tasks in run.header.not_registered.items():
        for task in tasks if architecture in modalities else ():
            yield MatrixRow(
                name=architecture,
                architecture=architecture,
                task=task,
                modality=modalities[architecture],
                squares=(None,) * columns.count,
                is_registered=False,
                progress=survey.progress(architecture, task),
            )


def _order(report: CellReport) -> tuple[bool, str, str, str, str, CellId]:
    cell = report.cell
    is_foreign = cell.library != "transformers"
    return is_foreign, cell.library, cell.architecture, cell.variant, cell.task, cell
