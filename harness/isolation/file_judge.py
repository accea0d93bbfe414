"""Judges files in a child process, within limits; what was found before it ended is kept."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

from harness.errors import UsageError
from harness.isolation.child_process import ChildProcess, Ending
from harness.isolation.completion import make_missing_records, make_not_run_records
from harness.isolation.file_request import FileRequest, Last, deliver
from harness.isolation.limits import Limits
from harness.judge.observer import Observer, Progress
from harness.records import CellId, CellReport, JournalReader, Outcome, Record, Scope

MODULE = "harness.isolation.file_judge_process"
RETURNS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
"""glibc then returns each block of 1 MiB and more when it is freed. Else the weights of a closed
session leave holes, and memory runs out long before the limit is used."""


class JudgeProcessError(Exception):
    """A defect of the harness in the child process; a note has the child's traceback."""


class InterruptedJudgingError(Exception):
    """The user stopped judging; `report` has the records that were ready, and `not_run` ones."""

    def __init__(self, report: CellReport) -> None:
        super().__init__("interrupted")
        self.report = report


def judge_files(
    request: FileRequest,
    limits: Limits,
    *,
    on_progress: Callable[[Progress], None],
    on_tick: Callable[[], None],
) -> CellReport:
    """Judge files in a child process and return a record for each planned requirement.

    If the child exceeds its limits or dies, the first missing record says so, and the others are
    skipped. `on_progress` is called with the progress, and `on_tick` several times a second.

    Raises UsageError for bad input, and for limits that end the child before the model is loaded;
    JudgeProcessError for a defect of the harness; InterruptedJudgingError if a KeyboardInterrupt
    arrives after the plan is known, else that interrupt.
    """
    with tempfile.TemporaryDirectory(prefix="onnx-conformance-") as journals:
        request = dataclasses.replace(request, journals=journals)
        return _judge(request, limits, Collected(Path(journals), on_progress), on_tick)


def _judge(
    request: FileRequest, limits: Limits, collected: Collected, on_tick: Callable[[], None]
) -> CellReport:
    mark = f"onnx-conformance-{time.time_ns()}"
    child = ChildProcess(MODULE, request.dump(), mark=mark, environment=RETURNS_MEMORY)
    try:
        ending = _watch(child, limits, collected, on_tick)
    except KeyboardInterrupt:
        if collected.cell is None:
            raise
        raise InterruptedJudgingError(collected.report_interrupted()) from None
    finally:
        child.kill()
    if isinstance(ending, Ending):
        return collected.report_ended(ending)
    if ending.refused is not None:
        raise UsageError(ending.refused)
    if ending.raised is not None:
        defect = JudgeProcessError(ending.raised)
        defect.add_note(ending.traceback)
        raise defect
    return collected.report_ended(Ending())


def _watch(
    child: ChildProcess, limits: Limits, observer: Observer, on_tick: Callable[[], None]
) -> Last | Ending:
    """Pass on what the child sends until its last message, or until it has ended without one."""
    began = time.monotonic()
    while True:
        line = child.next_line(limits.seconds, memory=limits.memory, since=began, on_tick=on_tick)
        if isinstance(line, Ending):
            return line
        last = deliver(line, observer)
        if last is not None:
            return last


class Collected(Observer):
    """What the child has sent so far, and its records in the folder `journals`."""

    def __init__(self, journals: Path, on_progress: Callable[[Progress], None]) -> None:
        self.cell: CellId | None = None
        self._on_progress = on_progress
        self._stage = "starting"
        self._planned: Sequence[str] = ()
        self._journals = journals
        self._scope: Scope | None = None

    def plan(self, cell: CellId, requirements: Sequence[str]) -> None:
        from harness.requirements.steps import all_ids

        self.cell = cell
        self._planned = [name for name in all_ids() if name in requirements]

    def progress(self, progress: Progress) -> None:
        self._stage = progress.stage
        self._on_progress(progress)

    def scope(self, scope: Scope) -> None:
        self._scope = scope

    def report_interrupted(self) -> CellReport:
        """Return the records so far; the missing ones are `not_run`."""
        assert self.cell is not None
        message = f"the check was interrupted during {self._stage}"
        return self._report(make_not_run_records(self.cell, self._missing, message=message))

    def report_ended(self, ending: Ending) -> CellReport:
        """Return the records so far; the missing ones say how the child ended.

        Raises UsageError if the plan is not known yet.
        """
        got = ending.got or "no record"
        if self.cell is None:
            is_late = ending.outcome is Outcome.TIMED_OUT
            hint = "a larger --cell-timeout" if is_late else "a larger --cell-memory"
            raise UsageError(f"{self._stage}: got {got}, expected a verdict; give {hint}")
        missing = make_missing_records(
            self.cell,
            self._missing,
            outcome=ending.outcome or Outcome.ERRORED,
            got=got,
            seed=None,
            traceback=ending.traceback,
        )
        return self._report(missing)

    def _report(self, missing: Iterable[Record]) -> CellReport:
        """Return the records of the journal and the missing ones, in ladder order."""
        assert self.cell is not None
        found = {**self._records, **{record.requirement: record for record in missing}}
        ordered = tuple(found[name] for name in self._planned)
        return CellReport(self.cell, ordered, self._scope)

    @property
    def _missing(self) -> list[str]:
        return [name for name in self._planned if name not in self._records]

    @cached_property
    def _records(self) -> dict[str, Record]:
        """The records of the journal when judging ended, by requirement."""
        lines = JournalReader(self._journals).lines()
        return {line.requirement: line for line in lines if isinstance(line, Record)}
