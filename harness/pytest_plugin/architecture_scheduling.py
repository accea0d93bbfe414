"""The scheduler itself. Apart, because xdist is optional."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from harness.pytest_plugin.scheduling import scope_of


class ArchitectureScheduling(LoadScopeScheduling):
    """Hands out one architecture at a time, the largest first."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def remove_node(self, node: WorkerController) -> str | None:
        """Hand out again what a dead worker had left, without the item that killed it.

        xdist's own hands that one out too, and every replacement dies of it.
        """
        workload = self.assigned_work.pop(node)
        left: list[str] = [
            nodeid for unit in workload.values() for nodeid, done in unit.items() if not done
        ]
        if not left:
            return None
        for nodeid in left[1:]:
            self.workqueue.setdefault(self._split_scope(nodeid), {})[nodeid] = False
        for other in self.assigned_work:
            self._reschedule(other)
        return left[0]

    def _reschedule(self, node: WorkerController) -> None:
        """Leave alone a worker that is still collecting: it is asked again when it has done so.

        xdist's own hands it work at once where another worker dies meanwhile, and raises KeyError.
        """
        if node in self.registered_collections or not self.workqueue:
            super()._reschedule(node)
