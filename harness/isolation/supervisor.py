"""Judges cells through a judge that is replaced when it has to be; every cell ends with records."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.errors import UsageError
from harness.files import write_whole
from harness.isolation.completion import rest_of
from harness.isolation.family import adopt_orphans, adopted, kill_all
from harness.isolation.journal import Journal, journal_path
from harness.isolation.limits import Limits
from harness.isolation.setup import Request, Setup
from harness.isolation.supervised import Ending, SupervisedJudge
from harness.records import CellId, Outcome, Record, dump_line, parse_line

Finish = Callable[[Record], Record]
"""What is done to a record of ours before it is written: expectations are applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A cell to judge on `requirements`; `known` are records of it that stand from before.

    `seed` is that of its examples.
    """

    cell: CellId
    requirements: Sequence[str]
    seed: int
    known: Mapping[str, Record] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One cell after it was judged: its new lines, one record for each requirement, what is to be
    known of the process, the end of what it printed, and the most memory that it ever had.

    `raw` are the records that the judge told before expectations were applied, fewer than `records`
    where it did not come to the end."""

    lines: Sequence[str]
    records: Mapping[str, Record]
    notice: str | None = None
    output: str = ""
    peak: int = 0
    raw: Sequence[Record] = ()


class Supervisor:
    """Owns one judge at a time. `scratch` is a folder that cells may fill and that is emptied.

    The first cell starts the judge.
    """

    def __init__(self, setup: Setup, limits: Limits, *, scratch: Path, finish: Finish) -> None:
        self._setup = setup
        self._limits = limits
        self._scratch = scratch
        self._finish = finish
        self._judge: SupervisedJudge | None = None
        self._read = 0
        setup.journal_folder.mkdir(parents=True, exist_ok=True)
        adopt_orphans()

    def judge(self, work: Work) -> Judged:
        """Judge a cell; whatever it does, each of its requirements ends with a record.

        Raises OSError where its folder cannot be made.
        """
        folder = self._scratch / "cell"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return self._judged(work, folder)
        except BaseException:  # an interrupt, above all: the judge must not live on
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

    def _judged(self, work: Work, folder: Path) -> Judged:
        judge, ending = self._ready()
        if ending is None:
            ending = judge.judge(
                Request(
                    cell=str(work.cell),
                    requirements=list(work.requirements),
                    known=list(work.known),
                    seed=work.seed,
                    folder=str(folder),
                )
            )
        texts = self._new_texts(judge)
        found = _Lines.of(texts, work)
        why_retired = ending.why_retired
        if len(found.texts) < len(texts):
            why_retired = why_retired or "its journal has lines that are none"
        if why_retired is not None:
            self._end_judge()
            _mend(judge.journal)
        self._complete(found, work, ending)
        return Judged(
            lines=found.texts,
            records=found.records,
            notice=why_retired and f"{work.cell}: its judge was replaced, because of {why_retired}",
            output=judge.output,
            peak=ending.peak,
            raw=list(_records_in(ending.raw)),
        )

    def _ready(self) -> tuple[SupervisedJudge, Ending | None]:
        """The judge, a new one where there is none, and how that failed to start, if it did."""
        if self._judge is not None:
            return self._judge, None
        self._judge, self._read = SupervisedJudge(self._setup, self._limits), 0
        return self._judge, self._judge.get_ready()

    def _end_judge(self) -> None:
        if self._judge is not None:
            self._judge.kill()
            self._judge = None
        self._end_orphans()

    def _end_orphans(self) -> None:
        judge = self._judge.pid if self._judge is not None else None
        kill_all(adopted(self._setup.mark, judge=judge))

    def _new_texts(self, judge: SupervisedJudge) -> list[str]:
        """What the judge's journal has that was not read before; a torn last line is no line."""
        if judge.journal is None or not judge.journal.is_file():
            return []
        with judge.journal.open("rb") as stream:
            stream.seek(self._read)
            data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode("utf-8", errors="replace").splitlines()

    def _complete(self, found: _Lines, work: Work, ending: Ending) -> None:
        """Add what the judge did not come to."""
        rest = rest_of(
            work.cell,
            [name for name in work.requirements if name not in found.records],
            outcome=ending.outcome or Outcome.ERRORED,
            got=ending.got or "no record from the judge",
            traceback=ending.traceback,
            seed=work.seed,
        )
        for record in map(self._finish, rest):
            with contextlib.suppress(OSError):  # a full disk: the line still travels by report
                self._journal.record(record)
            found.texts.append(dump_line(record))
            found.records[record.requirement] = record

    @cached_property
    def _journal(self) -> Journal:
        """Where we write in the place of a judge that no longer can."""
        setup = self._setup
        return Journal(journal_path(setup.journal_folder, setup.process), setup.process)


@dataclass(slots=True)
class _Lines:
    """The lines of one cell that can be read, and its records, those from before among them."""

    texts: list[str]
    records: dict[str, Record]

    @classmethod
    def of(cls, texts: Sequence[str], work: Work) -> _Lines:
        lines = cls([], dict(work.known))
        for text in filter(_is_line, texts):
            lines.texts.append(text)
            line = parse_line(text, source="journal")
            if isinstance(line, Record) and line.cell == work.cell:
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


def _mend(journal: Path | None) -> None:
    """Leave only lines in the journal of a judge that has ended: one that is none would make the
    whole run unreadable."""
    if journal is None or not journal.is_file():
        return
    texts = journal.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [text for text in texts if _is_line(text)]
    if len(kept) < len(texts):
        write_whole(journal, "".join(f"{text}\n" for text in kept))
