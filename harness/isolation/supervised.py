"""The parent's side of a judge process: sends it cells, and kills it at a limit."""

from __future__ import annotations

from pathlib import Path

from harness.isolation.child_process import ChildProcess, Ending
from harness.isolation.limits import Limits, show_size
from harness.isolation.setup import Ready, Reply, Request, Setup
from harness.records import Outcome

START_SECONDS = 300.0


class SupervisedJudge:
    """One judge process, started at once.

    Call `wait_until_ready` first, then `request_cell` for each cell until an ending has a
    `why_retired`; then call `kill`. `journal` is the judge's file of records.
    """

    def __init__(self, setup: Setup, limits: Limits) -> None:
        self._limits = limits
        self.journal: Path | None = None
        self._child = ChildProcess(
            "harness.isolation.judge_process", setup.dump(), mark=setup.mark, parent=setup.parent
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def output(self) -> str:
        """The end of the judge's printed output since the cell began."""
        return self._child.output

    def wait_until_ready(self) -> Ending | None:
        """Wait until the judge has imported its modules; returns an ending if starting failed."""
        answer = self._child.next_line(START_SECONDS, memory=None)
        if isinstance(answer, Ending):
            return answer
        self.journal = Path(Ready.load(answer).journal)
        return None

    def request_cell(self, request: Request) -> Ending:
        """Send a request and wait for the reply, within the limits of time and memory."""
        self._child.forget_output()
        self._child.send(request.dump())
        answer = self._child.next_line(self._limits.seconds, memory=self._limits.memory)
        return answer if isinstance(answer, Ending) else self._read_reply(Reply.load(answer))

    def kill(self) -> None:
        """Kill the judge and all processes that it started."""
        self._child.kill()

    def _read_reply(self, reply: Reply) -> Ending:
        """Make the ending of an answered request; kills the processes that the cell started."""
        self._child.kill_descendants()
        why = [f"it left {change}" for change in reply.changed[:3]]
        used = self._child.resident
        if used > self._limits.retire:
            why.append(f"it holds {show_size(used)} of memory")
        return Ending(
            outcome=Outcome.ERRORED if reply.got is not None else None,
            got=reply.got,
            traceback=reply.traceback,
            why_retired="; ".join(why) or None,
            peak=reply.peak,
            raw=reply.raw,
        )
