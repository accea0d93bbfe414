"""Which xdist worker judges what: a task of a tiny model at a time, the longest first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from harness.matrix.durations import Durations
from harness.pytest_plugin.collection import cell_of
from harness.pytest_plugin.context import CONTEXT

if TYPE_CHECKING:
    from xdist.remote import Producer


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Any:
    """Our scheduler for `--dist load`, which is what `-n` gives; any other choice is obeyed.

    `--dist loadgroup` would be the obvious means, but does nothing with xdist 3.8
    (https://github.com/pytest-dev/pytest-xdist/issues/1386).
    """
    if config.getvalue("dist") != "load":
        return None
    from harness.pytest_plugin.architecture_scheduling import ArchitectureScheduling

    return ArchitectureScheduling(config, log, durations=config.stash[CONTEXT].durations)


def scope_of(nodeid: str) -> str:
    """What must stay together: the cells of `architecture[~variant]/task`, which share what is
    costly, or the tests of one module."""
    cell = cell_of(nodeid)
    return nodeid.partition("::")[0] if cell is None else "/".join(str(cell).split("/")[:2])


def architecture_of(scope: str) -> str:
    """The architecture whose cells are in a scope."""
    return scope.partition("/")[0].partition("~")[0]


def seconds_of(nodeids: Collection[str], durations: Durations) -> float:
    """How long the cells among these items are expected to take; other tests take no time."""
    return durations.total(cell for nodeid in nodeids if (cell := cell_of(nodeid)) is not None)


def next_scope(
    waiting: Mapping[str, float], *, mine: Collection[str], others: Collection[str]
) -> str:
    """Which of the waiting scopes, with their seconds, a worker takes next.

    Of the architectures that it has, which it need not load again; then of those that no other
    worker has; then it helps. Among these the architecture with most left, of that the longest
    scope: short ones at the end keep all workers busy until then.
    """
    had, taken = set(map(architecture_of, mine)), set(map(architecture_of, others))
    left: dict[str, float] = {}
    for scope, seconds in waiting.items():
        left[architecture_of(scope)] = left.get(architecture_of(scope), 0.0) + seconds

    def urgency(scope: str) -> tuple[Any, ...]:
        architecture = architecture_of(scope)
        is_strange = architecture not in had
        return (
            is_strange,
            is_strange and architecture in taken,
            -left[architecture],
            architecture,
            -waiting[scope],
            scope,
        )

    return min(waiting, key=urgency)
