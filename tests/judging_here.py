"""Judges files in the process of a test, which has imported torch already, without a child."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.isolation.file_judge import _Collected
from harness.isolation.file_judge_process import judge_request
from harness.isolation.file_request import FileRequest, SendingObserver, deliver
from harness.isolation.limits import Limits
from harness.records import CellReport


def judge_here(
    request: FileRequest, limits: Limits, *, on_progress: Any, on_tick: Callable[[], None]
) -> CellReport:
    """Judge files in this process, and pass on what a child would send."""
    collected = _Collected(on_progress)
    observer = SendingObserver(lambda line: on_tick() if deliver(line, collected) else None)
    judge_request(request, observer)
    return collected.report(())
