"""Judges files in the process of a test, which has imported torch already, without a child."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.isolation.child_process import Ending
from harness.isolation.file_judge import Collected
from harness.isolation.file_judge_process import judge_request
from harness.isolation.file_request import FileRequest, SendingObserver, deliver
from harness.isolation.limits import Limits
from harness.records import CellReport


def judge_here(
    request: FileRequest, limits: Limits, *, on_progress: Any, on_tick: Callable[[], None]
) -> CellReport:
    """Judge files in this process, and pass on what a child would send."""
    with tempfile.TemporaryDirectory() as journals:
        collected = Collected(Path(journals), on_progress)
        observer = SendingObserver(
            lambda line: on_tick() if deliver(line, collected) else None, journals
        )
        judge_request(request, observer)
        return collected.report_ended(Ending())
