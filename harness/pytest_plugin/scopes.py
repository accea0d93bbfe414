"""Distribution of cells to xdist workers: one task of a tiny model at a time, longest first.

A scope is the group of items that xdist gives to one worker.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from harness.matrix.durations import Durations
from harness.pytest_plugin.collection import cell_of


def scope_of(nodeid: str) -> str:
    """Return the group that one worker runs: `architecture[~variant]/task`, or a test module.

    Cells of a task share their exports and references.
    """
    cell = cell_of(nodeid)
    return nodeid.partition("::")[0] if cell is None else "/".join(str(cell).split("/")[:2])


def architecture_of(scope: str) -> str:
    """Return the architecture of a scope's cells."""
    return scope.partition("/")[0].partition("~")[0]


def seconds_of(nodeids: Collection[str], durations: Durations) -> float:
    """Return the expected seconds of the cells among these items; other tests count 0."""
    return durations.total(cell for nodeid in nodeids if (cell := cell_of(nodeid)) is not None)


def next_scope(
    waiting: Mapping[str, float], *, assigned: Collection[str], others: Collection[str]
) -> str:
    """Return the scope that a worker runs next. A scope is the group of items that xdist gives to
    one worker; `waiting` maps each scope that has not started to its expected seconds.

    The worker first continues an architecture of its `assigned` scopes, whose model code it has
    loaded. Then it takes an architecture that no other worker has, then any. Of several
    architectures it takes the one with the most seconds left, and of that the longest scope: short
    scopes at the end keep all workers busy.
    """
    own, taken = set(map(architecture_of, assigned)), set(map(architecture_of, others))
    left: dict[str, float] = {}
    for scope, seconds in waiting.items():
        left[architecture_of(scope)] = left.get(architecture_of(scope), 0.0) + seconds

    def urgency(scope: str) -> tuple[Any, ...]:
        architecture = architecture_of(scope)
        is_new = architecture not in own
        return (
            is_new,
            is_new and architecture in taken,
            -left[architecture],
            architecture,
            -waiting[scope],
            scope,
        )

    return min(waiting, key=urgency)
