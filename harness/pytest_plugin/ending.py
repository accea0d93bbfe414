"""Makes the missing records at the end of a run, so that every planned pair has one."""

from __future__ import annotations

from collections.abc import Container, Iterator

from harness.isolation.completion import make_missing_records, make_not_run_records
from harness.matrix.seeds import cell_seed
from harness.pytest_plugin.run_file import RunFile
from harness.records import CellId, Outcome, Record


def crash_records(run: RunFile, cell: CellId) -> Iterator[Record]:
    """Return `crashed` for the first requirement without a record, `skipped` for the others."""
    return make_missing_records(
        cell,
        run.missing(cell),
        outcome=Outcome.CRASHED,
        got="the death of the pytest process that ran the cell",
        seed=cell_seed(run.header.seed, cell),
    )


def missing_records(
    run: RunFile, *, finished: Container[CellId], interrupted: bool
) -> Iterator[Record]:
    """Yield records for all planned pairs without one.

    `finished` are the cells whose pytest report arrived, `interrupted` whether the user stopped
    the run.
    """
    for cell in run.planned:
        missing = run.missing(cell)
        if not missing:
            continue
        if str(cell) not in run.started:
            yield from make_not_run_records(
                cell, missing, message="the run ended before this cell began"
            )
        elif cell in finished:
            lost = "no record from the process that finished the cell"
            seed = cell_seed(run.header.seed, cell)
            yield from make_missing_records(
                cell, missing, outcome=Outcome.ERRORED, got=lost, seed=seed
            )
        elif interrupted:
            yield from make_not_run_records(
                cell, missing, message="the run was interrupted before this was judged"
            )
        else:
            yield from crash_records(run, cell)
