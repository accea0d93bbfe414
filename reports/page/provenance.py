"""How and when a run was made, how long it took, and how many records are not shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness.records import Run
from reports.cell_details import Fact


def provenance_of(run: Run) -> tuple[Fact, ...]:
    """Return start, duration, profile, seed, platform and versions of a run."""
    return tuple(Fact(name=name, value=str(value)) for name, value in _facts(run))


def _facts(run: Run) -> Iterator[tuple[str, object]]:
    header, footer = run.header, run.footer
    yield "started", header.started
    if footer is not None and footer.ended is not None:
        yield "ended", _ended(header.started, footer.ended)
    yield "time of all requirements", duration(sum(r.seconds for r in run.records.values()))
    yield "profile", header.profile
    yield "seed", header.seed
    if header.max_examples is not None:
        yield "examples drawn", f"{header.max_examples} per cell, in addition to the corners"
    if header.shard is not None:
        yield "shard", f"{header.shard.index} of {header.shard.count}"
    yield "platform", header.platform
    yield from header.versions.items()
    if outside := len(run.unplanned):
        yield "records outside the plan (not shown)", outside


def duration(seconds: float) -> str:
    """Return `1 h 02 min`, `3 min 04 s` or `5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _ended(started: str, ended: str) -> str:
    """Return the end, with the time since the start if both are valid times."""
    try:
        took = datetime.fromisoformat(ended) - datetime.fromisoformat(started)
    except (ValueError, TypeError):
        return ended
    return f"{ended}, after {duration(took.total_seconds())}"
