"""The parent's side of a judge process: requests cells, watches time and memory, kills it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

from harness.isolation.limits import Limits, show_size
from harness.isolation.process_tree import MARK, descendants, kill_all, resident_bytes
from harness.isolation.setup import STACK_SIGNAL, Ready, Reply, Request, Setup
from harness.records import TRACEBACK_LIMIT, Outcome

TICK_SECONDS = 0.05
TREE_CHECK_SECONDS = 1.0
STACK_SECONDS = 1.0
START_SECONDS = 300.0
_BOOT = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "runpy.run_module('harness.isolation.judge_process', run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the judge ended one cell, in addition to the lines of its journal.

    `outcome` is the outcome of the first requirement without a record, and `got` what happened
    instead of a verdict; both are None if the cell was judged without an error. `why_retired` says
    why this judge must be replaced, None if it can judge the next cell. `peak` is its largest
    memory so far in bytes, `raw` the lines of its records before expectations were applied.
    """

    outcome: Outcome | None = None
    got: str | None = None
    traceback: str | None = None
    why_retired: str | None = None
    peak: int = 0
    raw: Sequence[str] = ()


class SupervisedJudge:
    """One judge process, started at once.

    Call `wait_until_ready` first, then `request_cell` for each cell until an ending has a
    `why_retired`; then call `kill`. `journal` is the judge's file of records.
    """

    def __init__(self, setup: Setup, limits: Limits) -> None:
        self._limits = limits
        self._parent = setup.parent
        self._output_end = b""
        self._received = b""
        self.journal: Path | None = None
        self._channel, child_channel = socket.socketpair()
        with child_channel:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _BOOT, json.dumps(sys.path)),
                    *(setup.dump(), str(child_channel.fileno()), str(os.getpid())),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[child_channel.fileno()],
                start_new_session=True,
                env={**os.environ, MARK: setup.mark},
            )
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._monitored = psutil.Process(self._process.pid)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._channel, selectors.EVENT_READ, self._receive)
        self._selector.register(self._output, selectors.EVENT_READ, self._read_output)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """The end of the judge's printed output since the cell began."""
        return self._output_end.decode("utf-8", errors="replace")

    def wait_until_ready(self) -> Ending | None:
        """Wait until the judge has imported its modules; returns an ending if starting failed."""
        answer = self._wait(START_SECONDS, memory=None)
        if isinstance(answer, Ending):
            return answer
        self.journal = Path(Ready.load(answer).journal)
        return None

    def request_cell(self, request: Request) -> Ending:
        """Send a request and wait for the reply, within the limits of time and memory."""
        self._output_end = b""
        with contextlib.suppress(OSError):  # the judge has ended; `_wait` finds out how
            self._channel.sendall(request.dump().encode() + b"\n")
        answer = self._wait(self._limits.seconds, memory=self._limits.memory)
        return answer if isinstance(answer, Ending) else self._read_reply(Reply.load(answer))

    def kill(self) -> None:
        """Kill the judge and all processes that it started."""
        self._kill_tree()
        self._process.wait()
        self._selector.close()
        self._channel.close()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _wait(self, seconds: float, *, memory: int | None) -> str | Ending:
        """Return the next line from the judge, or its ending if there is no such line.

        `seconds` limits the waiting time, `memory` (bytes) the judge and its descendants.
        """
        now = time.monotonic()
        deadline, next_tree_check = now + seconds, now + TREE_CHECK_SECONDS
        used_by_descendants = 0
        while True:
            for key, _ in self._selector.select(TICK_SECONDS):
                if key.data() == b"" and key.fileobj is self._channel:
                    return self._channel_closed()
            if b"\n" in self._received:
                line, _, self._received = self._received.partition(b"\n")
                return line.decode()
            if self._parent not in (None, os.getppid()):
                self._end_as_orphan()
            now = time.monotonic()
            if now > deadline:
                return self._end_over_time(seconds)
            if now > next_tree_check:
                used_by_descendants = sum(map(resident_bytes, descendants(self._monitored)))
                next_tree_check = now + TREE_CHECK_SECONDS
            used = resident_bytes(self._monitored) + used_by_descendants
            if memory is not None and used > memory:
                return self._end_over_memory(used, memory)

    def _end_as_orphan(self) -> NoReturn:
        """End this process too: its parent has ended, so the run no longer reads its results."""
        self.kill()
        os._exit(1)

    def _receive(self) -> bytes:
        try:
            data = self._channel.recv(1 << 16)
        except OSError:
            data = b""
        self._received += data
        return data

    def _read_output(self) -> bytes:
        try:
            data = os.read(self._output, 1 << 16)
        except OSError:
            return b""
        if not data:
            self._selector.unregister(self._output)
        self._output_end = (self._output_end + data)[-TRACEBACK_LIMIT:]
        return data

    def _read_reply(self, reply: Reply) -> Ending:
        """Make the ending of an answered request; kills the processes that the cell started."""
        kill_all(descendants(self._monitored))
        why = [f"it left {change}" for change in reply.changed[:3]]
        used = resident_bytes(self._monitored)
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

    def _channel_closed(self) -> Ending:
        """End a judge that closed its channel; its process has usually ended already."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=STACK_SECONDS)
        how = _describe_status(self._process.returncode)
        return self._end(Outcome.CRASHED, f"the death of the process that judged it ({how})")

    def _end_over_time(self, seconds: float) -> Ending:
        """Have the judge print its stacks, then end it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, STACK_SIGNAL)
        deadline = time.monotonic() + STACK_SECONDS
        while time.monotonic() < deadline:
            for key, _ in self._selector.select(TICK_SECONDS):
                key.data()
        return self._end(Outcome.TIMED_OUT, f"no verdict within {seconds:g} s")

    def _end_over_memory(self, used: int, memory: int) -> Ending:
        return self._end(
            Outcome.CRASHED,
            f"{show_size(used)} of memory in use, above the limit of {show_size(memory)} a cell",
        )

    def _kill_tree(self) -> None:
        kill_all([*descendants(self._monitored), self._monitored])

    def _end(self, outcome: Outcome, got: str) -> Ending:
        """Kill the judge, read the rest of its output and return the ending."""
        self._kill_tree()
        while self._output in self._selector.get_map() and self._read_output():
            pass
        return Ending(outcome=outcome, got=got, traceback=self.output or None, why_retired=got)


def _describe_status(status: int | None) -> str:
    """Describe a return code of `subprocess`; None if the process is still running."""
    if status is None:
        return "it closed its channel"
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
