"""`tolerances`: measures the tolerance that cells need, proposes values and stores them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from harness.cli.common import (
    Architectures,
    AsJson,
    ConfigModules,
    Exporters,
    Seed,
    Tasks,
    load_descriptions,
)
from harness.cli.output import DOES_NOT_CONFORM, clean_stdout, table_lines, write_json
from harness.records import GLYPHS, CellId, Outcome

if TYPE_CHECKING:
    from harness.judge.proposals import Tolerance, ToleranceReport
    from harness.judge.tolerances import MeasuredCell, UnmeasuredCell

CELL_COLUMNS = ("", "cell", "atol", "needed", "ratio", "eager", "candidate", "allowed")
TOLERANCE_COLUMNS = ("", "tolerance", "atol", "needed", "allowed", "proposed")
HOUR = 3600.0


def tolerances(
    *,
    architecture: Architectures = None,
    task: Tasks = None,
    exporter: Exporters = None,
    opset: Annotated[
        str, typer.Option("--opset", metavar="RANGES", help="Opsets, such as 18 or 14..18,23.")
    ] = "18",
    max_examples: Annotated[
        int | None,
        typer.Option(
            "--max-examples",
            min=1,
            metavar="N",
            help="Examples to draw in addition to the corners.",
        ),
    ] = None,
    seed: Seed = 0,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Store proposals in the files of the tiny models, where none is known or it does "
            "not hold.",
        ),
    ] = False,
    json: AsJson = False,
    config_module: ConfigModules = None,
) -> int:
    """Measure the tolerances that cells need, propose values, and store them with --write.

    Proposals also follow from eager's own rounding: float32 against float64.
    """
    with clean_stdout() as stdout:
        load_descriptions(config_module)
        cells = _plan(architecture, task, exporter, opset)
        from harness.judge.proposals import ToleranceReport
        from harness.judge.rounding import EXAMPLES
        from harness.judge.tolerances import measure_cell

        measure = functools.partial(measure_cell, count=max_examples or EXAMPLES, seed=seed)
        measured: list[MeasuredCell | UnmeasuredCell] = []
        try:
            for row in _measure_with_progress(cells, measure):
                measured.append(row)
        finally:  # print finished cells also after an interrupt or an error
            report = ToleranceReport(cells=measured, is_complete=len(measured) == len(cells))
            if write and report.is_complete:
                report = _store(report)
            if measured:
                _write(report, stdout, as_json=json)
    return 0 if report.holds else DOES_NOT_CONFORM


def _plan(
    architecture: str | None, task: str | None, exporter: str | None, opset: str
) -> Sequence[CellId]:
    from harness.matrix.opsets import parse_opsets
    from harness.matrix.plan import Selection, make_plan
    from harness.matrix.registry import read_registry

    selection = Selection(
        opsets=parse_opsets(opset), architecture=architecture, task=task, exporter=exporter
    )
    return list(make_plan(selection, read_registry()))


def _measure_with_progress(
    cells: Sequence[CellId], measure: Callable[[CellId], MeasuredCell | UnmeasuredCell]
) -> Iterator[MeasuredCell | UnmeasuredCell]:
    """Measure one cell after the other, with a progress bar if stderr is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        speed_estimate_period=HOUR,  # by default 30 s, in which no cell may end
    ) as progress:
        bar = progress.add_task("", total=len(cells))
        for cell in cells:
            progress.update(bar, description=str(cell))
            yield measure(cell)
            progress.advance(bar)


def _store(report: ToleranceReport) -> ToleranceReport:
    """Store proposals, and show on stderr what was written."""
    from harness.judge.stored_tolerances import store_proposals

    report, written = store_proposals(report)
    for path, tolerances in written.items():
        stored = ", ".join(f"{task} {atol:g}" for task, atol in tolerances.items())
        typer.echo(f"wrote {path}: {stored}", err=True)
    return report


def _write(report: ToleranceReport, stdout: TextIO, *, as_json: bool) -> None:
    if as_json:
        write_json(report.to_json(), stdout)
        return
    for line in _lines(report):
        typer.echo(line, file=stdout)


def _lines(report: ToleranceReport) -> Iterator[str]:
    """Yield what each cell needs, the tolerance of each task, then the problems."""
    if report.measured:
        yield from table_lines(CELL_COLUMNS, map(_cell, report.measured))
        yield ""
        yield from table_lines(TOLERANCE_COLUMNS, map(_tolerance, report.tolerances))
        yield ""
    for row in report.unmeasured:
        yield from _reason(row)
    for tolerance in report.tolerances:
        yield from tolerance.problems
    yield _verdict(report)


def _cell(row: MeasuredCell) -> Sequence[str]:
    needed, atol = row.needed.max_abs_diff, row.atol
    differences = (row.eager.max_abs_diff, row.candidate.max_abs_diff, row.allowed)
    return (
        _glyph(is_good=row.is_sufficient),
        str(row.cell),
        _number(atol),
        f"{needed:.2e}",
        "none" if atol is None else f"{needed / atol:.2f}" if atol else "inf",
        *(f"{value:.2e}" for value in differences),
    )


def _tolerance(row: Tolerance) -> Sequence[str]:
    numbers = (row.atol, row.needed, row.allowed, row.proposed)
    return (_glyph(is_good=not row.problems), row.name, *map(_number, numbers))


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2e}"


def _glyph(*, is_good: bool) -> str:
    return GLYPHS[Outcome.PASSED if is_good else Outcome.FAILED]


def _reason(row: UnmeasuredCell) -> Iterator[str]:
    yield f"{GLYPHS[row.outcome]}  {row.cell} {row.outcome.replace('_', ' ')}"
    yield from (f"  {line}".rstrip() for line in row.message.splitlines())


def _verdict(report: ToleranceReport) -> str:
    sound = sum(not tolerance.problems for tolerance in report.tolerances)
    counts = (
        f"{sound} of {len(report.tolerances)} tolerances hold, "
        f"{len(report.measured)} of {len(report.cells)} cells were measured"
    )
    if not report.is_complete:
        return f"not finished: {counts}"
    return f"{'all hold' if report.holds else 'not all hold'}: {counts}"
