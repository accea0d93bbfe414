"""Runs cells in a judge process, which is replaced when necessary.

Every cell ends with a record for each planned requirement, whatever happens to the judge.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.isolation.child_process import ChildProcess, Ending
from harness.isolation.completion import make_missing_records
from harness.isolation.journal import Journal, journal_path
from harness.isolation.limits import Limits, show_size
from harness.isolation.process_tree import adopt_orphans, adopted_orphans, kill_all
from harness.isolation.setup import Reply, Request, Setup
from harness.matrix.expectations import Expectations
from harness.matrix.results import ResultStore, StoredResult
from harness.records import CellId, JournalReader, JournalText, Outcome, Record, parse_journal

JUDGE = "harness.isolation.judge_process"
START_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CellJob:
    """A cell to judge, and its planned requirements.

    `known` has records from an earlier run, by requirement; they are kept and not replaced. `seed`
    draws the examples of the cell. `fingerprint` is its fingerprint if the run reuses records;
    `stored` are the records of an earlier run, to be reused, or to be compared with new ones if
    `is_verified`.
    """

    cell: CellId
    requirements: Sequence[str]
    seed: int
    known: Mapping[str, Record] = field(default_factory=dict)
    fingerprint: str | None = None
    stored: StoredResult | None = None
    is_verified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """The result of one cell: one record for each requirement, as they stand in the journals.

    `journals` has their new text. `notice` says why the judge was replaced, if it was.
    `output` is the end of the judge's printed output, `peak` its largest memory so far in bytes.
    """

    records: Mapping[str, Record]
    journals: Sequence[JournalText]
    notice: str | None = None
    output: str = ""
    peak: int = 0


class Supervisor:
    """Owns one judge process at a time, started by the first cell.

    Cells write temporary files in `scratch`, which is emptied after each cell. The records that the
    supervisor makes for the judge go to a journal of its own.
    """

    def __init__(
        self, setup: Setup, limits: Limits, *, scratch: Path, expectations: Expectations
    ) -> None:
        self._setup = setup
        self._limits = limits
        self._scratch = scratch
        self._cell_folder = scratch / "cell"
        self._expectations = expectations
        self._judge: ChildProcess | None = None
        self._reader = JournalReader(setup.journal_folder, f"{setup.process}-*.jsonl")
        setup.journal_folder.mkdir(parents=True, exist_ok=True)
        adopt_orphans()

    def run_cell(self, job: CellJob) -> CellResult:
        """Have a judge process judge one cell, or copy its stored records.

        There is a record for each requirement also if the judge crashes, hangs or exceeds its
        memory. Raises OSError if the cell's folder or a journal cannot be written.
        """
        if job.stored and not job.is_verified:
            return self._copy_stored(job, job.stored)
        folder = self._cell_folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            judge, ending = self._ready_judge()
            request = _request(job, folder)
            if ending is None:
                judge.forget_output()
                judge.send(request.dump())
                ending = self._await_reply(judge, self._limits.seconds, self._limits.memory)
            result = self._finish(job, ending, judge)
            if job.fingerprint is not None and self._setup.has_fingerprint(request):
                _update_store(job, job.fingerprint, ResultStore(folder))
            return result
        except BaseException:  # usually an interrupt: the judge must not outlive it
            self._end_judge()
            raise
        finally:
            self._end_orphans()
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End the judge and remove its folder."""
        self._end_judge()
        shutil.rmtree(self._scratch, ignore_errors=True)
        if "_journal" in self.__dict__:
            self._journal.close()

    def _copy_stored(self, job: CellJob, stored: StoredResult) -> CellResult:
        self._journal.start(job.cell)
        for record in stored.marked():
            self._journal.record(record)
        journals = self._reader.read()
        return CellResult(records=_records_of(job, journals), journals=journals)

    def _ready_judge(self) -> tuple[ChildProcess, Ending | None]:
        """Return the live judge or start one; the ending says how starting failed, if it did."""
        if self._judge is not None:
            return self._judge, None
        setup = self._setup
        self._judge = ChildProcess(JUDGE, setup.dump(), mark=setup.mark, parent=setup.parent)
        ending = self._await_reply(self._judge, START_SECONDS, None)
        return self._judge, ending if ending.outcome else None

    def _await_reply(self, judge: ChildProcess, seconds: float, memory: int | None) -> Ending:
        """Return how a request ended; kills the processes that the cell started."""
        answer = judge.next_line(seconds, memory=memory)
        if isinstance(answer, Ending):
            return answer
        judge.kill_descendants()
        reply = Reply.load(answer)
        why = [f"it left {change}" for change in reply.changed[:3]]
        used = judge.resident
        if used > self._limits.retire:
            why.append(f"it holds {show_size(used)} of memory")
        return Ending(
            outcome=Outcome.ERRORED if reply.got is not None else None,
            got=reply.got,
            traceback=reply.traceback,
            why_retired="; ".join(why) or None,
            peak=reply.peak,
        )

    def _finish(self, job: CellJob, ending: Ending, judge: ChildProcess) -> CellResult:
        """Return the result of a cell, after ending its judge if necessary."""
        journals = self._reader.read()
        why_retired = ending.why_retired
        if any(len(parse_journal(text)) < text.count("\n") for _, text in journals):
            why_retired = why_retired or "its journal has lines that cannot be parsed"
        if why_retired is not None:
            self._end_judge()
        found = _records_of(job, journals)
        if missing := [name for name in job.requirements if name not in found]:
            self._write_missing(job, missing, ending)
            journals += self._reader.read()
        return CellResult(
            records=_records_of(job, journals),
            journals=journals,
            notice=why_retired and f"{job.cell}: its judge was replaced: {why_retired}",
            output=judge.output,
            peak=ending.peak,
        )

    def _write_missing(self, job: CellJob, names: Sequence[str], ending: Ending) -> None:
        """Write records of the requirements that the judge did not reach."""
        missing = make_missing_records(
            job.cell,
            names,
            outcome=ending.outcome or Outcome.ERRORED,
            got=ending.got or "no record from the judge",
            traceback=ending.traceback,
            seed=job.seed,
        )
        for record in missing:
            self._journal.record(job.stored.check(record) if job.stored else record)
        if job.fingerprint is not None:  # what the judge offers for reuse is not all
            ResultStore(self._cell_folder).remove(job.fingerprint)

    def _end_judge(self) -> None:
        if self._judge is not None:
            self._judge.kill()
            self._judge = None
        self._end_orphans()

    def _end_orphans(self) -> None:
        judge = self._judge.pid if self._judge is not None else None
        kill_all(adopted_orphans(self._setup.mark, live_judge=judge))

    @cached_property
    def _journal(self) -> Journal:
        """The supervisor's own journal, for records that no judge writes."""
        setup = self._setup
        path = journal_path(setup.journal_folder, setup.process)
        return Journal(path, setup.process, self._expectations)


def _request(job: CellJob, folder: Path) -> Request:
    return Request(
        cell=str(job.cell),
        requirements=list(job.requirements),
        known=list(job.known),
        seed=job.seed,
        folder=str(folder),
        fingerprint=job.fingerprint,
        is_verified=job.is_verified,
    )


def _update_store(job: CellJob, fingerprint: str, judged: ResultStore) -> None:
    """Store what the judge offers for reuse; if that is nothing, remove what an earlier run stored.

    The verdicts of an earlier run stay if they were confirmed.
    """
    fresh = judged.read(fingerprint, job.cell, job.requirements)
    if fresh is None:
        ResultStore().remove(fingerprint)
    elif job.stored is None:
        ResultStore().write(fingerprint, fresh)


def _records_of(job: CellJob, journals: Iterable[JournalText]) -> dict[str, Record]:
    """Return the records of a cell by requirement, known ones included; the first one counts."""
    records = dict(job.known)
    for _, text in journals:
        for line in parse_journal(text):
            if isinstance(line, Record) and line.cell == job.cell:
                records.setdefault(line.requirement, line)
    return records
