"""Records for requirements without a verdict: a process died, a record was lost, a run stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judge.cell import replay_command
from harness.records import CellId, Outcome, Record


def make_missing_records(
    cell: CellId,
    missing: Sequence[str],
    *,
    outcome: Outcome,
    got: str,
    seed: int | None,
    traceback: str | None = None,
) -> Iterator[Record]:
    """Make the records of the missing requirements of a cell, in their order.

    The first has `outcome`, and its message says that `got` came instead of a verdict. The others
    are `skipped` because of the first. `seed` is the cell's seed, for the replay command; None if
    the cell cannot be replayed.
    """
    if not missing:
        return
    first, *others = missing
    yield Record(
        cell=cell,
        requirement=first,
        outcome=outcome,
        message=f"{first}: got {got}, expected a verdict [{cell}]",
        traceback=traceback,
        replay=None if seed is None else replay_command(cell, first, None, seed=seed),
    )
    for requirement in others:
        yield Record(
            cell=cell,
            requirement=requirement,
            outcome=Outcome.SKIPPED,
            message=f"{requirement}: skipped, because {first} {outcome} [{cell}]",
        )


def make_not_run_records(cell: CellId, missing: Sequence[str], *, message: str) -> Iterator[Record]:
    """Make a `not_run` record with `message` for each missing requirement of a cell."""
    for requirement in missing:
        yield Record(
            cell=cell,
            requirement=requirement,
            outcome=Outcome.NOT_RUN,
            message=f"{requirement}: {message} [{cell}]; run it again",
        )
