"""How a run ends: with a record for every planned pair."""

from __future__ import annotations

from collections.abc import Container, Iterator

from harness.isolation.completion import not_run, rest_of
from harness.matrix.seeds import cell_seed
from harness.pytest_plugin.context import RunContext
from harness.pytest_plugin.run_file import RunFile
from harness.records import CellId, Outcome, Record


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
