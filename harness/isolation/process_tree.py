"""A process and its descendants: find them, measure their memory, kill them.

On Linux a process can adopt the orphans among its descendants, and a child can be killed with its
parent. On other systems these two calls do nothing, and processes that a judge started may survive.
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
"""Environment variable of a judge and so of all processes that it starts: the run's folder."""

END_SECONDS = 5.0
END_TICK_SECONDS = 0.005
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends; exits if `parent` is not its parent now."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of all orphaned descendants, so that `adopted_orphans` finds them."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def raise_oom_score() -> None:
    """Have the kernel kill this process first if the system runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def resident_bytes(process: psutil.Process) -> int:
    """Return the resident memory of a process in bytes; 0 if it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def descendants(process: psutil.Process) -> list[psutil.Process]:
    """Return the children of a process, their children, and so on; [] if it has ended."""
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kill processes and wait up to 5 seconds until they have ended.

    Children of this process, adopted ones included, are reaped.
    """
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
    """Return whether a process has ended, also if its parent has not yet reaped it."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def adopted_orphans(mark: str, *, live_judge: int | None) -> Iterator[psutil.Process]:
    """Orphans that this process adopted: its children with `mark`, except the live judge's pid."""
    return _with_mark((p for p in psutil.Process().children() if p.pid != live_judge), mark)


def processes_of_run(mark: str) -> Iterator[psutil.Process]:
    """Judges of a run and the processes that they started, also after their parent has ended."""
    return _with_mark(psutil.process_iter(), mark)


def _with_mark(processes: Iterable[psutil.Process], mark: str) -> Iterator[psutil.Process]:
    """The processes whose environment has `mark`; zombies among them are reaped instead."""
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
