"""Runs cells in a judge process, which is replaced when necessary.

Every cell ends with a record for each planned requirement, whatever happens to the judge.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.errors import UsageError
from harness.files import write_atomically
from harness.isolation.child_process import Ending
from harness.isolation.completion import make_missing_records
from harness.isolation.journal import Journal, journal_path
from harness.isolation.limits import Limits
from harness.isolation.process_tree import adopt_orphans, adopted_orphans, kill_all
from harness.isolation.setup import Request, Setup
from harness.isolation.supervised import SupervisedJudge
from harness.records import CellId, Outcome, Record, dump_line, parse_line

FinishRecord = Callable[[Record], Record]
"""Changes a record of the supervisor before it is written: applies the expectations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellJob:
    """A cell to judge, and its planned requirements.

    `known` has records from an earlier run, by requirement; they are kept and not replaced. `seed`
    draws the examples of the cell.
    """

    cell: CellId
    requirements: Sequence[str]
    seed: int
    known: Mapping[str, Record] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """The result of one cell: its new journal lines, and one record for each requirement.

    `notice` says why the judge was replaced, if it was. `output` is the end of the judge's printed
    output, `peak` its largest memory so far in bytes. `raw` has the judge's records before
    expectations were applied: fewer than `records` if the judge did not finish the cell.
    """

    lines: Sequence[str]
    records: Mapping[str, Record]
    notice: str | None = None
    output: str = ""
    peak: int = 0
    raw: Sequence[Record] = ()


class Supervisor:
    """Owns one judge process at a time, started by the first cell.

    Cells write temporary files in `scratch`, which is emptied after each cell. `finish` is applied
    to the records that the supervisor makes for the judge.
    """

    def __init__(
        self, setup: Setup, limits: Limits, *, scratch: Path, finish: FinishRecord
    ) -> None:
        self._setup = setup
        self._limits = limits
        self._scratch = scratch
        self._finish = finish
        self._judge: SupervisedJudge | None = None
        self._journal_offset = 0
        setup.journal_folder.mkdir(parents=True, exist_ok=True)
        adopt_orphans()

    def run_cell(self, job: CellJob) -> CellResult:
        """Have the judge process judge one cell, and return a record for each requirement.

        There is a record also if the judge crashes, hangs or exceeds its memory. Raises OSError if
        the cell's folder cannot be created.
        """
        folder = self._scratch / "cell"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return self._run_in_judge(job, folder)
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

    def _run_in_judge(self, job: CellJob, folder: Path) -> CellResult:
        judge, ending = self._ready_judge()
        if ending is None:
            ending = judge.request_cell(
                Request(
                    cell=str(job.cell),
                    requirements=list(job.requirements),
                    known=list(job.known),
                    seed=job.seed,
                    folder=str(folder),
                )
            )
        texts = self._read_new_lines(judge)
        found = _Lines.of(texts, job)
        why_retired = ending.why_retired
        if len(found.texts) < len(texts):
            why_retired = why_retired or "its journal has lines that cannot be parsed"
        if why_retired is not None:
            self._end_judge()
            _remove_bad_lines(judge.journal)
        self._add_missing_records(found, job, ending)
        return CellResult(
            lines=found.texts,
            records=found.records,
            notice=why_retired and f"{job.cell}: its judge was replaced: {why_retired}",
            output=judge.output,
            peak=ending.peak,
            raw=list(_records_in(ending.raw)),
        )

    def _ready_judge(self) -> tuple[SupervisedJudge, Ending | None]:
        """Return the live judge or start one; the ending says how starting failed, if it did."""
        if self._judge is not None:
            return self._judge, None
        self._judge, self._journal_offset = SupervisedJudge(self._setup, self._limits), 0
        return self._judge, self._judge.wait_until_ready()

    def _end_judge(self) -> None:
        if self._judge is not None:
            self._judge.kill()
            self._judge = None
        self._end_orphans()

    def _end_orphans(self) -> None:
        judge = self._judge.pid if self._judge is not None else None
        kill_all(adopted_orphans(self._setup.mark, live_judge=judge))

    def _read_new_lines(self, judge: SupervisedJudge) -> list[str]:
        """Read the journal's lines since the last call, without an incomplete last line."""
        if judge.journal is None or not judge.journal.is_file():
            return []
        with judge.journal.open("rb") as stream:
            stream.seek(self._journal_offset)
            data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._journal_offset += len(whole)
        return whole.decode("utf-8", errors="replace").splitlines()

    def _add_missing_records(self, found: _Lines, job: CellJob, ending: Ending) -> None:
        """Add records of the requirements that the judge did not reach."""
        missing = make_missing_records(
            job.cell,
            [name for name in job.requirements if name not in found.records],
            outcome=ending.outcome or Outcome.ERRORED,
            got=ending.got or "no record from the judge",
            traceback=ending.traceback,
            seed=job.seed,
        )
        for record in map(self._finish, missing):
            with contextlib.suppress(OSError):  # disk full: the item's report carries the line too
                self._journal.record(record)
            found.texts.append(dump_line(record))
            found.records[record.requirement] = record

    @cached_property
    def _journal(self) -> Journal:
        """The supervisor's own journal, for records that the judge could not write."""
        setup = self._setup
        return Journal(journal_path(setup.journal_folder, setup.process), setup.process)


@dataclass(slots=True)
class _Lines:
    """The valid journal lines of one cell, and its records by requirement, known ones included."""

    texts: list[str]
    records: dict[str, Record]

    @classmethod
    def of(cls, texts: Sequence[str], job: CellJob) -> _Lines:
        lines = cls([], dict(job.known))
        for text in filter(_is_line, texts):
            lines.texts.append(text)
            line = parse_line(text, source="journal")
            if isinstance(line, Record) and line.cell == job.cell:
                lines.records.setdefault(line.requirement, line)
        return lines


def _records_in(texts: Sequence[str]) -> Iterator[Record]:
    for text in texts:
        line = parse_line(text, source="judge")
        if isinstance(line, Record):
            yield line


def _is_line(text: str) -> bool:
    try:
        parse_line(text, source="journal")
    except UsageError:
        return False
    return True


def _remove_bad_lines(journal: Path | None) -> None:
    """Remove invalid lines from the journal of a judge that has ended.

    One invalid line would make the whole run unreadable.
    """
    if journal is None or not journal.is_file():
        return
    texts = journal.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [text for text in texts if _is_line(text)]
    if len(kept) < len(texts):
        write_atomically(journal, "".join(f"{text}\n" for text in kept))
