"""A child process that sends lines to its parent, which watches its time, memory and output."""

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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NoReturn

import psutil

from harness.isolation.limits import show_size
from harness.isolation.process_tree import MARK, descendants, kill_all, resident_bytes
from harness.isolation.setup import STACK_SIGNAL
from harness.records import TRACEBACK_LIMIT, Outcome

TICK_SECONDS = 0.05
TREE_CHECK_SECONDS = 1.0
STACK_SECONDS = 1.0
_BOOT = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of one cell in a child, in addition to the records that the child wrote.

    `outcome` is the outcome of the first requirement without a record, and `got` what happened
    instead of a verdict; both are None if the cell was judged without an error. `why_retired` says
    why this child must be replaced, None if it can judge the next cell. `peak` is its largest
    memory so far in bytes.
    """

    outcome: Outcome | None = None
    got: str | None = None
    traceback: str | None = None
    why_retired: str | None = None
    peak: int = 0


class ChildProcess:
    """Runs a module of this package in a Python process of its own, started at once.

    The module's `__main__` gets three arguments: `argument`, the number of its end of the channel,
    and the process id of its parent. `mark` identifies it and all processes that it starts: it is
    set in their environment. If `parent` is given, this process ends when its own parent is no
    longer `parent`. `environment` has defaults for variables that the user has not set.
    """

    def __init__(
        self,
        module: str,
        argument: str,
        *,
        mark: str,
        parent: int | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._parent = parent
        self._output_end = b""
        self._received = b""
        self._used_by_descendants = 0
        self._next_tree_check = time.monotonic() + TREE_CHECK_SECONDS
        self._channel, child_channel = socket.socketpair()
        with child_channel:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _BOOT, json.dumps(sys.path), module),
                    *(argument, str(child_channel.fileno()), str(os.getpid())),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[child_channel.fileno()],
                start_new_session=True,
                env={**environment, **os.environ, MARK: mark},
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
    def resident(self) -> int:
        """The resident memory of the child itself, in bytes."""
        return resident_bytes(self._monitored)

    @property
    def output(self) -> str:
        """The end of the printed output since the start, or since `forget_output`."""
        return self._output_end.decode("utf-8", errors="replace")

    def forget_output(self) -> None:
        """Drop the output so far."""
        self._output_end = b""

    def send(self, line: str) -> None:
        """Send a line; if the child has ended, `next_line` finds out how."""
        with contextlib.suppress(OSError):
            self._channel.sendall(line.encode() + b"\n")

    def next_line(
        self,
        seconds: float,
        *,
        memory: int | None,
        since: float | None = None,
        on_tick: Callable[[], None] = lambda: None,
    ) -> str | Ending:
        """Return the next line from the child, or its ending if there is no such line.

        `seconds` limits the waiting time, from `since` (of `time.monotonic`) or from now; `memory`
        (bytes) limits the child and its descendants. `on_tick` is called several times a second.
        """
        deadline = (time.monotonic() if since is None else since) + seconds
        while True:
            if b"\n" in self._received:
                line, _, self._received = self._received.partition(b"\n")
                return line.decode()
            on_tick()
            for key, _ in self._selector.select(TICK_SECONDS):
                if key.data() == b"" and key.fileobj is self._channel:
                    return self._channel_closed()
            if self._parent not in (None, os.getppid()):
                self._end_as_orphan()
            if time.monotonic() > deadline:
                return self._end_over_time(seconds)
            used = self._resident_tree()
            if memory is not None and used > memory:
                return self._end_over_memory(used, memory)

    def kill_descendants(self) -> None:
        """Kill the processes that the child started."""
        kill_all(descendants(self._monitored))

    def kill(self) -> None:
        """Kill the child and all processes that it started."""
        self._kill_tree()
        self._process.wait()
        self._selector.close()
        self._channel.close()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _resident_tree(self) -> int:
        """Return the resident bytes of the child and its descendants, which are found rarely."""
        now = time.monotonic()
        if now > self._next_tree_check:
            self._used_by_descendants = sum(map(resident_bytes, descendants(self._monitored)))
            self._next_tree_check = now + TREE_CHECK_SECONDS
        return self.resident + self._used_by_descendants

    def _end_as_orphan(self) -> NoReturn:
        """Kill the child, then exit this process with status 1, since its own parent ended."""
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

    def _channel_closed(self) -> Ending:
        """End a child that closed its channel; its process has usually ended already."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=STACK_SECONDS)
        how = _describe_status(self._process.returncode)
        return self._end(Outcome.CRASHED, f"the death of the process that judged it ({how})")

    def _end_over_time(self, seconds: float) -> Ending:
        """Have the child print its stacks, then end it."""
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
        """Kill the child, read the rest of its output and return the ending."""
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
