"""The trial of a scaffolded architecture: measured tolerances, and one cell of each kind judged."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.common import load_descriptions
from harness.cli.scaffold_draft import Draft
from harness.cli.scaffold_files import ScaffoldPaths
from harness.configs.task_table import WITH_PAST
from harness.errors import UsageError
from harness.records import CellId, CellReport, Outcome, Record

if TYPE_CHECKING:
    from harness.judge.tolerances import MeasuredCell, UnmeasuredCell


@dataclass(frozen=True, slots=True)
class Trial:
    """The opset and the exporters with which cells are judged, the quickest first.

    If `is_any_enough`, a task that conforms with one is not judged with the others.
    """

    opset: int
    exporters: Sequence[str]
    is_any_enough: bool = False

    @classmethod
    def of(cls, opset: int, exporters: Sequence[str], *, is_any_enough: bool = False) -> Trial:
        """Return the trial with the exporters that honour the opset.

        Raises UsageError if none of them does.
        """
        from harness.exporters import get_exporter

        quickest = sorted(exporters, key=_QUICKEST.__ne__)
        honouring = tuple(name for name in quickest if opset in get_exporter(name).opsets)
        if not honouring:
            raise UsageError(
                f"--exporter: none of {', '.join(exporters)} honours opset {opset} with the "
                "installed versions; choose another"
            )
        return cls(opset, honouring, is_any_enough)


def register_written(paths: ScaffoldPaths) -> None:
    """Register the description from the files that were written."""
    importlib.invalidate_caches()
    if paths.folder is None:
        importlib.import_module(paths.import_name)
    else:
        sys.path.insert(0, str(paths.folder))
        load_descriptions([paths.import_name])


def store_tolerances(
    draft: Draft, trial: Trial
) -> Generator[str, None, Mapping[CellId, UnmeasuredCell]]:
    """Measure the tolerance of each task, store it with the tiny model, and yield what was done.

    Returns the cells for which the exporter wrote no file.
    """
    from harness.judge.proposals import ToleranceReport
    from harness.judge.stored_tolerances import store_proposals
    from harness.judge.tolerances import UnmeasuredCell

    tried = [list(_measured(draft, task, trial)) for task in draft.tasks]
    measured = [cells[-1] for cells in tried]
    report = ToleranceReport(cells=measured, is_complete=True)
    _, written = store_proposals(report)
    for path, atols in written.items():
        yield f"stored in {path}: " + ", ".join(f"{task} {a:g}" for task, a in atols.items())
    for one in measured:
        if isinstance(one, UnmeasuredCell):
            yield f"no tolerance of {one.cell.task} was measured: {one.message}"
    unmeasured = (one for cells in tried for one in cells if isinstance(one, UnmeasuredCell))
    return {one.cell: one for one in unmeasured if not one.has_file}


def _measured(draft: Draft, task: str, trial: Trial) -> Iterator[MeasuredCell | UnmeasuredCell]:
    """Measure a task with one exporter after the other, until a file runs."""
    from harness.judge.tolerances import MeasuredCell, measure_cell

    for exporter in trial.exporters:
        found = measure_cell(_cell(draft, task, trial.opset, exporter), count=_EXAMPLES)
        yield found
        if isinstance(found, MeasuredCell):
            return


def judge_kinds(
    draft: Draft, trial: Trial, without_file: Mapping[CellId, UnmeasuredCell]
) -> Iterator[CellReport]:
    """Judge one task of each kind, with and without a past, with the exporters of the trial.

    An exporter that wrote no file before is not run again.
    """
    from harness.judge import judge_cell

    for task in kinds_of_tasks(draft.tasks):
        for exporter in trial.exporters:
            cell = _cell(draft, task, trial.opset, exporter)
            failed = without_file.get(cell)
            report = _report(failed) if failed else judge_cell(cell, profile="smoke")
            yield report
            if report.conforms and trial.is_any_enough:
                break


def _report(failed: UnmeasuredCell) -> CellReport:
    record = Record(
        cell=failed.cell, requirement=EXPORT, outcome=failed.outcome, message=failed.message
    )
    return CellReport(failed.cell, (record,))


def kinds_of_tasks(tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the first task without a past, and the first one with a past."""
    firsts = (
        next((task for task in tasks if task.endswith(WITH_PAST) is is_past), None)
        for is_past in (False, True)
    )
    return tuple(task for task in firsts if task is not None)


def summary_lines(reports: Sequence[CellReport]) -> Iterator[str]:
    """Yield a line for each cell: green, or red and why."""
    for report in reports:
        if report.conforms:
            yield f"green: {report.cell}"
            continue
        bad = [r for r in report.records if r.outcome not in _FINE]
        first = bad[0]
        message = first.message.splitlines()[0] if first.message else ""
        yield f"red: {report.cell}: {first.requirement} {first.outcome.value}: {message}"


EXPORT = "export"
_EXAMPLES = 60
_QUICKEST = "torchscript"
_FINE = {Outcome.PASSED, Outcome.NOT_APPLICABLE, Outcome.SKIPPED}


def conforms_somehow(reports: Sequence[CellReport]) -> bool:
    """Whether each judged task conforms with some exporter."""
    tasks = {report.cell.task for report in reports}
    return tasks == {report.cell.task for report in reports if report.conforms}


def _cell(draft: Draft, task: str, opset: int, exporter: str) -> CellId:
    return CellId(architecture=draft.architecture, task=task, opset=opset, exporter=exporter)
