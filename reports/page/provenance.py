"""Where a run came from, how long it took, and what in it cannot be shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness.records import Run
from reports.rungs import Fact


def provenance_of(run: Run) -> tuple[Fact, ...]:
    """Start, duration, profile, seed, platform and versions, as the run file tells them."""
    return tuple(Fact(name=name, value=str(value)) for name, value in _facts(run))


def _facts(run: Run) -> Iterator[tuple[str, object]]:
    header, footer = run.header, run.footer
    yield "started", header.started
    if footer is not None and footer.ended is not None:
        yield "ended", _ended(header.started, footer.ended)
    yield "judging, all processes", duration(sum(r.seconds for r in run.records.values()))
    yield "profile", header.profile
    yield "seed", header.seed
    if header.max_examples is not None:
        yield "examples drawn", f"{header.max_examples} a cell, beside the corners"
    if header.shard is not None:
        yield "shard", f"{header.shard.index} of {header.shard.count}"
    yield "platform", header.platform
    yield from header.versions.items()
    if outside := len(run.unplanned):
        yield "records outside the plan (not shown)", outside


def duration(seconds: float) -> str:
    """Hours and minutes, or seconds where there are few."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _ended(started: str, ended: str) -> str:
    """The end, with the time since the start where both are times."""
    try:
        took = datetime.fromisoformat(ended) - datetime.fromisoformat(started)
    except (ValueError, TypeError):
        return ended
    return f"{ended}, after {duration(took.total_seconds())}"
