"""What changed between two runs of one plan, pair by pair: what a gate and a canary decide on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from itertools import groupby

from harness.errors import UsageError
from harness.records import SEVERITY, CellReport, Header, Outcome, Record, Run
from reports.verdict import lack_of

GROWTH = 2
NOISE = 1e-7
"""Needed tolerances drift where they grow more than GROWTH times, and by more than NOISE."""


class Kind(StrEnum):
    """How a pair changed, in the order in which changes are read."""

    REGRESSED = "regressed"
    LOST = "lost"
    FIXED = "fixed"
    NEWLY_EXPECTED = "newly_expected"
    ADDED = "added"
    REMOVED = "removed"
    STILL_FAILING = "still_failing"

    @property
    def label(self) -> str:
        return self.value.replace("_", " ")


REGRESSIONS = (Kind.REGRESSED, Kind.LOST)


class _State(Enum):
    ABSENT = auto()
    UNJUDGED = auto()
    NOT_APPLICABLE = auto()
    GOOD = auto()
    EXPECTED = auto()
    XPASSED = auto()
    BAD = auto()


# Old state -> new state -> what that is; what stands in no row has not changed. A failure that
# the old run gave no verdict on counts as new: nobody has seen it before.
_KINDS: Mapping[_State, Mapping[_State, Kind]] = {
    _State.ABSENT: dict.fromkeys(_State, Kind.ADDED),
    _State.UNJUDGED: {
        _State.ABSENT: Kind.REMOVED,
        _State.UNJUDGED: Kind.STILL_FAILING,
        _State.NOT_APPLICABLE: Kind.ADDED,
        _State.GOOD: Kind.ADDED,
        _State.EXPECTED: Kind.NEWLY_EXPECTED,
        _State.XPASSED: Kind.REGRESSED,
        _State.BAD: Kind.REGRESSED,
    },
    _State.NOT_APPLICABLE: {
        _State.ABSENT: Kind.REMOVED,
        _State.UNJUDGED: Kind.LOST,
        _State.GOOD: Kind.ADDED,
        _State.EXPECTED: Kind.NEWLY_EXPECTED,
        _State.XPASSED: Kind.REGRESSED,
        _State.BAD: Kind.REGRESSED,
    },
    _State.GOOD: {
        _State.ABSENT: Kind.REMOVED,
        _State.UNJUDGED: Kind.LOST,
        _State.NOT_APPLICABLE: Kind.REMOVED,
        _State.EXPECTED: Kind.NEWLY_EXPECTED,
        _State.XPASSED: Kind.REGRESSED,
        _State.BAD: Kind.REGRESSED,
    },
    _State.EXPECTED: {
        _State.ABSENT: Kind.REMOVED,
        _State.UNJUDGED: Kind.LOST,
        _State.NOT_APPLICABLE: Kind.REMOVED,
        _State.GOOD: Kind.FIXED,
        _State.XPASSED: Kind.FIXED,
        _State.BAD: Kind.REGRESSED,
    },
    _State.XPASSED: {
        _State.ABSENT: Kind.REMOVED,
        _State.UNJUDGED: Kind.LOST,
        _State.NOT_APPLICABLE: Kind.REMOVED,
        _State.GOOD: Kind.FIXED,
        _State.EXPECTED: Kind.NEWLY_EXPECTED,
        _State.XPASSED: Kind.STILL_FAILING,
        _State.BAD: Kind.REGRESSED,
    },
    _State.BAD: {
        _State.ABSENT: Kind.REMOVED,
        _State.UNJUDGED: Kind.LOST,
        _State.NOT_APPLICABLE: Kind.REMOVED,
        _State.GOOD: Kind.FIXED,
        _State.EXPECTED: Kind.NEWLY_EXPECTED,
        _State.XPASSED: Kind.FIXED,
        _State.BAD: Kind.STILL_FAILING,
    },
}
_STATES: Mapping[Outcome, _State] = {
    Outcome.NOT_RUN: _State.UNJUDGED,
    Outcome.NOT_APPLICABLE: _State.NOT_APPLICABLE,
    Outcome.PASSED: _State.GOOD,
    Outcome.XFAILED: _State.EXPECTED,
    Outcome.XPASSED: _State.XPASSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that the headers say otherwise, such as a version; None where one says nothing."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairChange:
    """One (cell, requirement) pair; an outcome is None where that run did not plan the pair."""

    requirement: str
    old: Outcome | None
    new: Outcome | None
    message: str

    @property
    def severity(self) -> int:
        """The worse of both outcomes, as a rank from worst to best."""
        return min(SEVERITY[outcome] for outcome in (self.old, self.new) if outcome is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """The pairs of one cell that changed in the same way."""

    cell: str
    kind: Kind
    pairs: tuple[PairChange, ...]

    @property
    def lead(self) -> PairChange:
        """The pair that explains the others: skips stand behind the failure that they name."""
        return min(self.pairs, key=lambda pair: pair.severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """An output of a pair that passed twice and needs a much larger tolerance than before."""

    cell: str
    requirement: str
    output: str
    old: float
    new: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """All that changed from `old` to `new`, which are the names of runs; `facts` explain it.

    `incomplete` says of either run what it lacks, `is_cut_short` that only the new one does.
    """

    old: str
    new: str
    incomplete: tuple[str, ...]
    is_cut_short: bool
    facts: tuple[Fact, ...]
    cells: tuple[CellChange, ...]
    drifted: tuple[Drift, ...]

    def of(self, kind: Kind) -> tuple[CellChange, ...]:
        return tuple(change for change in self.cells if change.kind is kind)

    @property
    def regressions(self) -> tuple[CellChange, ...]:
        """What makes a gate red: new failures, and verdicts that are not given any more."""
        return tuple(change for change in self.cells if change.kind in REGRESSIONS)


@dataclass(frozen=True, slots=True)
class _Pair:
    cell: str
    requirement: str
    old: Record | None
    new: Record | None
    kind: Kind | None


def compare(old: Run, new: Run, *, allow_different: bool = False) -> Diff:
    """Return what changed; raises UsageError for runs of other plans unless `allow_different`."""
    if not allow_different:
        _refuse_other_plan(old, new)
    pairs = list(_pairs(old, new))
    lacks = [lack_of(run) for run in (old, new)]
    return Diff(
        old=old.header.run,
        new=new.header.run,
        incomplete=tuple(
            f"{side} run {run.header.run}: {lack}"
            for side, run, lack in zip(("old", "new"), (old, new), lacks, strict=True)
            if lack
        ),
        is_cut_short=bool(lacks[1] and not lacks[0]),
        facts=changed_facts(_facts(old.header), _facts(new.header)),
        cells=tuple(_cells(pairs)),
        drifted=tuple(drift for pair in pairs for drift in _drifts(pair)),
    )


def changed_facts(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Fact, ...]:
    """What two sets of named values, such as versions, say otherwise."""
    return tuple(
        Fact(name=name, old=old.get(name), new=new.get(name))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    )


def _refuse_other_plan(old: Run, new: Run) -> None:
    before, after = (
        {(cell, name) for cell, names in run.header.planned.items() for name in names}
        for run in (old, new)
    )
    profiles = (old.header.profile, new.header.profile)
    if before != after or len(set(profiles)) > 1:
        raise UsageError(
            f"{old.header.run} and {new.header.run} are runs of different plans (profiles "
            f"{' and '.join(profiles)}; {len(before - after)} pairs only in the old one, "
            f"{len(after - before)} only in the new one); give --allow-different to compare them"
        )


def _facts(header: Header) -> dict[str, str]:
    own = {"platform": header.platform, "profile": header.profile, "seed": str(header.seed)}
    return {**header.versions, **own}


def _pairs(old: Run, new: Run) -> Iterator[_Pair]:
    before = {str(report.cell): report for report in old.reports()}
    after = {str(report.cell): report for report in new.reports()}
    for cell in {**after, **before}:
        olds, news = (_states(side.get(cell)) for side in (before, after))
        for name in {**news, **olds}:
            was, was_record = olds.get(name, (_State.ABSENT, None))
            became, record = news.get(name, (_State.ABSENT, None))
            yield _Pair(cell, name, was_record, record, _KINDS[was].get(became))


def _states(report: CellReport | None) -> dict[str, tuple[_State, Record]]:
    """A skip is as expected as the failure that it names, see `is_expected`."""
    if report is None:
        return {}
    skip = _State.EXPECTED if report.expected else _State.BAD
    states = {**_STATES, Outcome.SKIPPED: skip}
    return {r.requirement: (states.get(r.outcome, _State.BAD), r) for r in report.records}


def _cells(pairs: list[_Pair]) -> Iterator[CellChange]:
    order = list(Kind)
    changed = [(order.index(pair.kind), pair) for pair in pairs if pair.kind is not None]
    changed.sort(key=lambda entry: entry[0])  # stable: cells stay as planned
    for (rank, cell), group in groupby(changed, key=lambda entry: (entry[0], entry[1].cell)):
        changes = tuple(_change(pair) for _, pair in group)
        yield CellChange(cell=cell, kind=order[rank], pairs=changes)


def _change(pair: _Pair) -> PairChange:
    """With the message of the side that has something to say, the new one first."""
    told = [r for r in (pair.new, pair.old) if r is not None and r.message]
    return PairChange(
        requirement=pair.requirement,
        old=pair.old.outcome if pair.old else None,
        new=pair.new.outcome if pair.new else None,
        message=told[0].headline if told else "",
    )


def _drifts(pair: _Pair) -> Iterator[Drift]:
    if pair.old is None or pair.new is None:
        return
    if pair.old.outcome is not Outcome.PASSED or pair.new.outcome is not Outcome.PASSED:
        return
    for output, new in pair.new.needed_atol.items():
        old = pair.old.needed_atol.get(output, math.nan)
        if math.isfinite(new) and new > GROWTH * old and new - old > NOISE:
            yield Drift(
                cell=pair.cell, requirement=pair.requirement, output=output, old=old, new=new
            )
