"""The parent's end of a judge: asks it for cells, watches it meanwhile, and ends it."""

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

from harness.isolation.family import MARK, descendants, kill_all, resident
from harness.isolation.limits import Limits, show_size
from harness.isolation.setup import STACK_SIGNAL, Ready, Reply, Request, Setup
from harness.records import TRACEBACK_LIMIT, Outcome

TICK_SECONDS = 0.05
FAMILY_SECONDS = 1.0
STACK_SECONDS = 1.0
START_SECONDS = 300.0
_BOOT = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "runpy.run_module('harness.isolation.judge_process', run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a judge ended a cell, beside the lines of its journal.

    `outcome` is that of the first requirement without a record, `got` what came in place of it;
    both None where the judge replied. `why_retired` says why it judges no further cell.
    """

    outcome: Outcome | None = None
    got: str | None = None
    traceback: str | None = None
    why_retired: str | None = None
    peak: int = 0
    raw: Sequence[str] = ()


class SupervisedJudge:
    """One judge process. `judge` may be called again until an ending says that it is retired."""

    def __init__(self, setup: Setup, limits: Limits) -> None:
        self._limits = limits
        self._parent = setup.parent
        self._tail = b""
        self._heard = b""
        self.journal: Path | None = None
        ours, theirs = socket.socketpair()
        self._channel = ours
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _BOOT, json.dumps(sys.path)),
                    *(setup.dump(), str(theirs.fileno()), str(os.getpid())),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env={**os.environ, MARK: setup.mark},
            )
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        self._seen = psutil.Process(self._process.pid)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._channel, selectors.EVENT_READ, self._listen)
        self._selector.register(self._output, selectors.EVENT_READ, self._read_output)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """The end of what the judge has printed since the cell began."""
        return self._tail.decode("utf-8", errors="replace")

    def get_ready(self) -> Ending | None:
        """Wait until it has imported what it needs; an ending where it never comes to that."""
        answer = self._wait(START_SECONDS, memory=None)
        if isinstance(answer, Ending):
            return answer
        self.journal = Path(Ready.load(answer).journal)
        return None

    def judge(self, request: Request) -> Ending:
        """Have a cell judged, within the limits."""
        self._tail = b""
        with contextlib.suppress(OSError):  # it has ended; waiting will tell
            self._channel.sendall(request.dump().encode() + b"\n")
        answer = self._wait(self._limits.seconds, memory=self._limits.memory)
        return answer if isinstance(answer, Ending) else self._replied(Reply.load(answer))

    def kill(self) -> None:
        """End it at once, with everything that it started."""
        self._end()
        self._process.wait()
        self._selector.close()
        self._channel.close()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _wait(self, seconds: float, *, memory: int | None) -> str | Ending:
        """The next line that it says, or how it ended in place of that."""
        now = time.monotonic()
        deadline, family_at = now + seconds, now + FAMILY_SECONDS
        family = 0
        while True:
            for key, _ in self._selector.select(TICK_SECONDS):
                if key.data() == b"" and key.fileobj is self._channel:
                    return self._died()
            if b"\n" in self._heard:
                line, _, self._heard = self._heard.partition(b"\n")
                return line.decode()
            if self._parent not in (None, os.getppid()):
                self._end_as_orphan()
            now = time.monotonic()
            if now > deadline:
                return self._over_time(seconds)
            if now > family_at:
                family = sum(map(resident, descendants(self._seen)))
                family_at = now + FAMILY_SECONDS
            used = resident(self._seen) + family
            if memory is not None and used > memory:
                return self._over_memory(used, memory)

    def _end_as_orphan(self) -> NoReturn:
        """The run is over, or goes on elsewhere: nothing that is found here counts any more."""
        self.kill()
        os._exit(1)

    def _listen(self) -> bytes:
        try:
            data = self._channel.recv(1 << 16)
        except OSError:
            data = b""
        self._heard += data
        return data

    def _read_output(self) -> bytes:
        try:
            data = os.read(self._output, 1 << 16)
        except OSError:
            return b""
        if not data:
            self._selector.unregister(self._output)
        self._tail = (self._tail + data)[-TRACEBACK_LIMIT:]
        return data

    def _replied(self, reply: Reply) -> Ending:
        left = descendants(self._seen)
        kill_all(left)
        why = [f"it left {change}" for change in reply.changed[:3]]
        used = resident(self._seen)
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

    def _died(self) -> Ending:
        """The channel is closed; what closed it may live on, and is of no use."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=STACK_SECONDS)
        how = _how(self._process.returncode)
        return self._ended(Outcome.CRASHED, f"the death of the process that judged it ({how})")

    def _over_time(self, seconds: float) -> Ending:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, STACK_SIGNAL)
        deadline = time.monotonic() + STACK_SECONDS
        while time.monotonic() < deadline:
            for key, _ in self._selector.select(TICK_SECONDS):
                key.data()
        return self._ended(Outcome.TIMED_OUT, f"no verdict within {seconds:g} s")

    def _over_memory(self, used: int, memory: int) -> Ending:
        return self._ended(
            Outcome.CRASHED,
            f"{show_size(used)} of memory in use, above the limit of {show_size(memory)} a cell",
        )

    def _end(self) -> None:
        kill_all([*descendants(self._seen), self._seen])

    def _ended(self, outcome: Outcome, got: str) -> Ending:
        """End it and read what it said last."""
        self._end()
        while self._output in self._selector.get_map() and self._read_output():
            pass
        return Ending(outcome=outcome, got=got, traceback=self.output or None, why_retired=got)


def _how(status: int | None) -> str:
    """What an exit status of subprocess says."""
    if status is None:
        return "it closed its channel"
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
