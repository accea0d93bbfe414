"""The parent of the processes of a survey: as many pairs at once as there are processors."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from harness.inference.stops import Stop

Pair = tuple[str, str]

SECONDS = 120
"""CPU seconds of one pair."""
_WAIT = 600
"""Seconds that a pair may take on a machine that is busy with other work."""
_MEMORY = 6 << 30
_CHILD = "harness.cli.survey_child"


@dataclass(slots=True, kw_only=True)
class _Examination:
    """A pair with the process that examines it and the last line that the process sent."""

    child: ForkServerProcess
    receiving: Connection
    deadline: float
    line: dict[str, Any]

    def receive(self) -> bool:
        """Keep the line that has arrived; False if the process has ended."""
        try:
            self.line = json.loads(self.receiving.recv())
        except EOFError:
            return False
        return True

    def end(self) -> dict[str, Any]:
        """End the process and return the last line that it sent."""
        self.child.kill()
        self.child.join()
        self.receiving.close()
        return self.line

    def cut_off(self) -> dict[str, Any]:
        """Return the line of a pair whose process was killed or died."""
        self.end()
        details = f"the process ended with status {self.child.exitcode}"
        reason = f"{Stop.RESOURCES.value}: {details}"
        return {**self.line, "reason": reason, "stop": Stop.RESOURCES.name, "details": details}


def examine(pairs: Sequence[Pair], workers: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the line of each pair as its process ends, `workers` at once (default: processors).

    Each pair is examined in a process of its own, so that it may hang or run out of memory.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_CHILD])
    waiting = deque(pairs)
    running: list[_Examination] = []
    try:
        while waiting or running:
            while waiting and len(running) < (workers or len(os.sched_getaffinity(0))):
                running.append(_start(context, waiting.popleft()))
            for one, line in _ended(running):
                running.remove(one)
                yield line
    finally:
        for one in running:
            one.end()


def _start(context: ForkServerContext, pair: Pair) -> _Examination:
    from harness.cli.survey_child import send_lines

    receiving, sending = context.Pipe(duplex=False)
    limits = {"seconds": SECONDS, "memory": _MEMORY}
    child = context.Process(target=send_lines, args=(*pair, sending), kwargs=limits)
    child.start()
    sending.close()
    line = {
        "architecture": pair[0],
        "task": pair[1],
        "modality": "other",
        "stage": "nothing",
        "seconds": SECONDS,
    }
    deadline = time.monotonic() + _WAIT
    return _Examination(child=child, receiving=receiving, deadline=deadline, line=line)


def _ended(running: Sequence[_Examination]) -> Iterator[tuple[_Examination, dict[str, Any]]]:
    """Wait until a process sends, ends or takes too long; yield the ones that are over."""
    first = min(one.deadline for one in running)
    ready = wait([one.receiving for one in running], max(0.0, first - time.monotonic()))
    for one in running[:]:
        if one.receiving in ready:
            if not one.receive():
                one.child.join()
                yield one, one.end() if one.child.exitcode == 0 else one.cut_off()
        elif time.monotonic() >= one.deadline:
            yield one, one.cut_off()
