"""Records for what nobody judged to the end: a dead process, a lost record, an early stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judge.cell import replay_command
from harness.records import CellId, Outcome, Record


def rest_of(
    cell: CellId,
    missing: Sequence[str],
    *,
    outcome: Outcome,
    got: str,
    seed: int,
    traceback: str | None = None,
) -> Iterator[Record]:
    """`outcome` for the first missing requirement, which got `got` in place of a verdict on the
    examples of `seed`, and `skipped` because of it for the others."""
    if not missing:
        return
    first, *others = missing
    yield Record(
        cell=cell,
        requirement=first,
        outcome=outcome,
        message=f"{first}: got {got}, expected a verdict [{cell}]",
        traceback=traceback,
        replay=replay_command(cell, first, None, seed=seed),
    )
    for requirement in others:
        yield Record(
            cell=cell,
            requirement=requirement,
            outcome=Outcome.SKIPPED,
            message=f"{requirement}: skipped, because {first} {outcome} [{cell}]",
        )


def not_run(cell: CellId, missing: Sequence[str], *, message: str) -> Iterator[Record]:
    """`not_run` for every missing requirement."""
    for requirement in missing:
        yield Record(
            cell=cell,
            requirement=requirement,
            outcome=Outcome.NOT_RUN,
            message=f"{requirement}: {message} [{cell}]; run it again",
        )
