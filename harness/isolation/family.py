"""A process and what it started: how much memory they take, and how to end all of them.

Linux tells orphans to whoever asked for them and kills children with their parent; elsewhere those
two calls do nothing and what a judge leaves behind may live on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

MARK = "ONNX_CONFORMANCE_JUDGE"
"""In the environment of a judge and so of whatever it starts; its value is the run's folder."""

END_SECONDS = 5.0
END_TICK_SECONDS = 0.005
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends, whose id it expects to find."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, so that they can be found."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def volunteer_to_be_killed() -> None:
    """Where memory runs out all the same, the kernel is to take this process and no other."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def resident(process: psutil.Process) -> int:
    """Bytes of resident memory; 0 for a process that has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """What a process started, at any distance; none where it has ended."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kill processes and wait until they have ended; those whose parent we are, or became, are
    reaped."""
    doomed = list(processes)
    for process in doomed:
        with contextlib.suppress(psutil.Error):
            process.kill()
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline and not all(map(_has_ended, doomed)):
        time.sleep(END_TICK_SECONDS)
    for process in doomed:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)


def _has_ended(process: psutil.Process) -> bool:
    """Also where its parent, who may be another's child, has not asked for its status yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def adopted(mark: str, *, judge: int | None) -> Iterator[psutil.Process]:
    """Orphans of judges that this process has adopted; `judge` is the one that is none."""
    return _of_run((p for p in psutil.Process().children() if p.pid != judge), mark)


def of_run(mark: str) -> Iterator[psutil.Process]:
    """Judges of a run and what they started, also where nobody else looks after them any more."""
    return _of_run(psutil.process_iter(), mark)


def _of_run(processes: Iterable[psutil.Process], mark: str) -> Iterator[psutil.Process]:
    for child in processes:
        try:
            if child.environ().get(MARK) == mark:
                yield child
        except psutil.ZombieProcess:
            with contextlib.suppress(psutil.Error):
                child.wait(timeout=0)
        except psutil.Error:
            continue


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, argument, 0, 0, 0)
