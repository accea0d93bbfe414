"""The xdist scheduler; a module of its own, because xdist is optional."""

from __future__ import annotations

from collections import Counter

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from harness.matrix.durations import Durations
from harness.pytest_plugin.scopes import next_scope, scope_of, seconds_of

LOW = 2
"""A worker with this many items left gets its next scope."""


class ArchitectureScheduling(LoadScopeScheduling):
    """Distributes one task of a tiny model at a time, in the order of `next_scope`."""

    def __init__(self, config: pytest.Config, log: Producer, *, durations: Durations) -> None:
        super().__init__(config, log)
        self._durations = durations
        self._deaths: Counter[str] = Counter()

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Move the next scope of this worker to the front of the queue, where xdist takes it."""
        waiting = {s: seconds_of(unit, self._durations) for s, unit in self.workqueue.items()}
        others = [s for n, units in self.assigned_work.items() if n is not node for s in units]
        chosen = next_scope(waiting, assigned=self.assigned_work[node], others=others)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """Requeue the remaining items of a dead worker; return the item that killed it, if known.

        Cells are judged in child processes, so a worker is usually killed from outside, and its
        current item is requeued too. An item whose worker dies twice is reported: every
        replacement would die as well.
        """
        workload = self.assigned_work.pop(node)
        left: list[str] = [
            nodeid for unit in workload.values() for nodeid, done in unit.items() if not done
        ]
        if not left:
            return None
        self._deaths[left[0]] += 1
        is_at_fault = self._deaths[left[0]] > 1
        for nodeid in left[1:] if is_at_fault else left:
            self.workqueue.setdefault(self._split_scope(nodeid), {})[nodeid] = False
        for other in self.assigned_work:
            self._reschedule(other)
        return left[0] if is_at_fault else None

    def _reschedule(self, node: WorkerController) -> None:
        """Send a worker its next scopes, or shut it down if the queue is empty.

        Differs from xdist's method in two ways. A worker that is still collecting is skipped; it
        would raise KeyError, and is served after its collection. No worker is left with a single
        item, because a worker starts an item only when it knows the next one.
        """
        if node.shutting_down or (self.workqueue and node not in self.registered_collections):
            return
        while self.workqueue and self._pending_of(self.assigned_work[node]) <= LOW:
            self._assign_work_unit(node)
        if not self.workqueue:
            node.shutdown()
