"""Reads a history: all runs in order of time, and since when a cell is red or green."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from harness.errors import UsageError
from harness.records import Outcome
from reports.diff import ChangedSetting, changed_settings
from reports.diff_output import settings_line
from reports.history import History, PastRun, State

SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A run, and the versions that changed since the previous run."""

    run: PastRun
    changed: tuple[ChangedSetting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTrend:
    """Since when a cell is red or green; runs that did not judge it are ignored.

    `last` is its latest state, `since` the first run of the current colour and `runs` their
    number. `before` is the run just before `since`, which had the other colour, or None if `since`
    is the first run; `changed` are the versions that changed between the two.
    """

    cell: str
    last: State
    since: PastRun
    runs: int
    before: PastRun | None
    changed: tuple[ChangedSetting, ...]

    @property
    def colour(self) -> str:
        return "green" if self.last.expected else "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """All runs of a history, the oldest first, and the selected cells."""

    steps: tuple[Step, ...]
    cells: tuple[CellTrend, ...] = ()


def trend_of(history: History, *, cell: str | None = None) -> Trend:
    """Read a history; `cell` is a glob. Raises UsageError if no judged cell matches it."""
    runs = history.runs()
    first = [Step(run=run, changed=()) for run in runs[:1]]
    rest = [
        Step(run=run, changed=changed_settings(before.versions, run.versions))
        for before, run in pairwise(runs)
    ]
    return Trend(steps=(*first, *rest), cells=() if cell is None else tuple(_cells(history, cell)))


def _cells(history: History, pattern: str) -> list[CellTrend]:
    found = []
    for name, states in history.cells(pattern).items():
        judged = [state for state in states if state.outcome is not Outcome.NOT_RUN]
        if judged:
            found.append(_cell(name, judged))
    if not found:
        raise UsageError(
            f"--cell {pattern!r}: no run of the history judged a matching cell; "
            "an example is 'bert/*/opset18/dynamo'"
        )
    return found


def _cell(name: str, judged: Sequence[State]) -> CellTrend:
    last = judged[-1]
    others = [place for place, state in enumerate(judged) if state.expected != last.expected]
    start = others[-1] + 1 if others else 0
    since, before = judged[start].run, judged[start - 1].run if others else None
    return CellTrend(
        cell=name,
        last=last,
        since=since,
        runs=len(judged) - start,
        before=before,
        changed=changed_settings(before.versions, since.versions) if before else (),
    )


def trend_lines(trend: Trend) -> Iterator[str]:
    """Yield lines about the selected cells, or else one line per run below changed versions."""
    if trend.cells:
        for cell in trend.cells:
            yield from _cell_lines(cell)
        return
    for step in trend.steps:
        if step.changed:
            yield f"  changed: {settings_line(step.changed)}"
        run = step.run
        counts = ", ".join(f"{count} {outcome}" for outcome, count in run.counts.items())
        cells = f"{sum(run.counts.values())} cells: {counts or 'none'}"
        yield f"{run.started} {run.name} {run.profile} {run.level}, {cells}"


def _cell_lines(trend: CellTrend) -> Iterator[str]:
    since, last = trend.since, trend.last
    yield f"{trend.cell} {trend.colour} since {since.started} {since.name} (runs: {trend.runs})"
    if not last.expected:
        yield f"  {last.outcome} {last.requirement}: {last.message}"
    if trend.before is None:
        yield "  no earlier change of colour"
        return
    yield f"  changed colour after {trend.before.started} {trend.before.name}, with " + (
        settings_line(trend.changed) or "the same versions"
    )


def to_json(trend: Trend) -> dict[str, Any]:
    """Return the object that `trend --json` prints; see `schemas/trend.schema.json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "runs": [
            {
                **_key(step.run),
                "profile": step.run.profile,
                "level": step.run.level,
                "versions": dict(step.run.versions),
                "counts": {str(outcome): count for outcome, count in step.run.counts.items()},
                "seconds": round(step.run.seconds, 3),
                "error_ratio": step.run.ratio,
                "changed": _facts_json(step.changed),
            }
            for step in trend.steps
        ],
        "cells": [
            {
                "cell": cell.cell,
                "colour": cell.colour,
                "outcome": str(cell.last.outcome),
                "requirement": cell.last.requirement,
                "message": cell.last.message,
                "since": _key(cell.since),
                "runs": cell.runs,
                "before": _key(cell.before) if cell.before else None,
                "changed": _facts_json(cell.changed),
            }
            for cell in trend.cells
        ],
    }


def _key(run: PastRun) -> dict[str, str]:
    return {"run": run.name, "started": run.started}


def _facts_json(facts: Sequence[ChangedSetting]) -> list[dict[str, str | None]]:
    return [{"name": fact.name, "old": fact.old, "new": fact.new} for fact in facts]
