"""How a run ends: a record for every planned pair, the footer, the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator

from harness.isolation.completion import not_run, rest_of
from harness.matrix.seeds import cell_seed
from harness.pytest_plugin.context import RunContext
from harness.pytest_plugin.run_file import RunFile
from harness.records import CellId, Footer, Outcome, Record, is_expected


def crash_records(run: RunFile, cell: CellId, context: RunContext) -> Iterator[Record]:
    """`crashed` for the requirement at which the process died, expectations applied."""
    records = rest_of(
        cell,
        run.missing(cell),
        outcome=Outcome.CRASHED,
        got="the death of the process that had it judged",
        seed=cell_seed(context.seed, cell),
    )
    yield from map(context.expectations.apply, records)


def ending_records(
    run: RunFile, context: RunContext, *, finished: Container[CellId], interrupted: bool
) -> Iterator[Record]:
    """Records for all pairs that have none; `finished` are the cells whose report arrived."""
    for cell in run.planned:
        missing = run.missing(cell)
        if not missing:
            continue
        if str(cell) not in run.started:
            yield from not_run(cell, missing, message="the run ended before this cell began")
        elif cell in finished:
            lost = "no record from the process that ended the cell"
            seed = cell_seed(context.seed, cell)
            yield from rest_of(cell, missing, outcome=Outcome.ERRORED, got=lost, seed=seed)
        elif interrupted:
            yield from not_run(cell, missing, message="interrupted before this was judged")
        else:
            yield from crash_records(run, cell, context)


def make_footer(run: RunFile, *, exit_status: int) -> Footer:
    """Counts of records by outcome; complete where everything planned was judged."""
    counts = Counter(str(record.outcome) for record in _planned_records(run))
    return Footer(
        counts={str(outcome): counts[outcome] for outcome in Outcome if counts[outcome]},
        exit_status=exit_status,
        complete=not counts[Outcome.NOT_RUN],
    )


def is_green(run: RunFile) -> bool:
    """Whether every planned pair has a record and every cell ended as expected."""
    return all(
        not run.missing(cell) and is_expected(r.outcome for r in run.report(cell).records)
        for cell in run.planned
    )


def _planned_records(run: RunFile) -> Iterator[Record]:
    for cell in run.planned:
        yield from run.report(cell).records
