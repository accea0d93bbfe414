"""The scheduler itself. Apart, because xdist is optional."""

from __future__ import annotations

from collections import Counter

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from harness.matrix.durations import Durations
from harness.pytest_plugin.scheduling import next_scope, scope_of, seconds_of

LOW = 2
"""Items left with which a worker gets its next unit."""


class ArchitectureScheduling(LoadScopeScheduling):
    """Hands out one task of a tiny model at a time; `next_scope` says which."""

    def __init__(self, config: pytest.Config, log: Producer, *, durations: Durations) -> None:
        super().__init__(config, log)
        self._durations = durations
        self._deaths: Counter[str] = Counter()

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Bring to the front what this worker takes, as xdist's own takes the first."""
        waiting = {s: seconds_of(unit, self._durations) for s, unit in self.workqueue.items()}
        others = [s for n, units in self.assigned_work.items() if n is not node for s in units]
        chosen = next_scope(waiting, mine=self.assigned_work[node], others=others)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """Hand out again what a dead worker had left; returns the item that is to blame.

        Cells are judged in processes of their own, so the item at hand is innocent the first time
        and handed out again too. The second time it is not: every replacement would die of it.
        """
        workload = self.assigned_work.pop(node)
        left: list[str] = [
            nodeid for unit in workload.values() for nodeid, done in unit.items() if not done
        ]
        if not left:
            return None
        self._deaths[left[0]] += 1
        is_to_blame = self._deaths[left[0]] > 1
        for nodeid in left[1:] if is_to_blame else left:
            self.workqueue.setdefault(self._split_scope(nodeid), {})[nodeid] = False
        for other in self.assigned_work:
            self._reschedule(other)
        return left[0] if is_to_blame else None

    def _reschedule(self, node: WorkerController) -> None:
        """Give a worker more to do, or tell it that this was all.

        Unlike xdist's own, it leaves alone a worker that is still collecting (there, KeyError: it
        is asked again when it has done so), and leaves none with a single item, which a worker does
        not begin before it knows what comes next.
        """
        if node.shutting_down or (self.workqueue and node not in self.registered_collections):
            return
        while self.workqueue and self._pending_of(self.assigned_work[node]) <= LOW:
            self._assign_work_unit(node)
        if not self.workqueue:
            node.shutdown()
