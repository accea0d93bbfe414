"""Compares two runs of the same plan, (cell, requirement) pair by pair.

Gates and canary runs pass or fail by this comparison.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from itertools import groupby

from harness.errors import UsageError
from harness.records import SEVERITY, CellReport, Header, Outcome, Record, Run
from reports.verdict import why_incomplete

GROWTH = 2
NOISE = 1e-7
"""An output drifts if its needed atol grew by more than a factor GROWTH and by more than NOISE."""


class ChangeKind(StrEnum):
    """How a pair changed, in the order of reports: the most important kind first."""

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


REGRESSIONS = (ChangeKind.REGRESSED, ChangeKind.LOST)


class _State(Enum):
    ABSENT = auto()
    UNJUDGED = auto()
    NOT_APPLICABLE = auto()
    GOOD = auto()
    EXPECTED = auto()
    XPASSED = auto()
    BAD = auto()


# Old state -> new state -> kind of change. Combinations that are not listed are no change.
# A failure counts as a regression if the old run had no verdict, since it was never reported.
_KINDS: Mapping[_State, Mapping[_State, ChangeKind]] = {
    _State.ABSENT: dict.fromkeys(_State, ChangeKind.ADDED),
    _State.UNJUDGED: {
        _State.ABSENT: ChangeKind.REMOVED,
        _State.UNJUDGED: ChangeKind.STILL_FAILING,
        _State.NOT_APPLICABLE: ChangeKind.ADDED,
        _State.GOOD: ChangeKind.ADDED,
        _State.EXPECTED: ChangeKind.NEWLY_EXPECTED,
        _State.XPASSED: ChangeKind.REGRESSED,
        _State.BAD: ChangeKind.REGRESSED,
    },
    _State.NOT_APPLICABLE: {
        _State.ABSENT: ChangeKind.REMOVED,
        _State.UNJUDGED: ChangeKind.LOST,
        _State.GOOD: ChangeKind.ADDED,
        _State.EXPECTED: ChangeKind.NEWLY_EXPECTED,
        _State.XPASSED: ChangeKind.REGRESSED,
        _State.BAD: ChangeKind.REGRESSED,
    },
    _State.GOOD: {
        _State.ABSENT: ChangeKind.REMOVED,
        _State.UNJUDGED: ChangeKind.LOST,
        _State.NOT_APPLICABLE: ChangeKind.REMOVED,
        _State.EXPECTED: ChangeKind.NEWLY_EXPECTED,
        _State.XPASSED: ChangeKind.REGRESSED,
        _State.BAD: ChangeKind.REGRESSED,
    },
    _State.EXPECTED: {
        _State.ABSENT: ChangeKind.REMOVED,
        _State.UNJUDGED: ChangeKind.LOST,
        _State.NOT_APPLICABLE: ChangeKind.REMOVED,
        _State.GOOD: ChangeKind.FIXED,
        _State.XPASSED: ChangeKind.FIXED,
        _State.BAD: ChangeKind.REGRESSED,
    },
    _State.XPASSED: {
        _State.ABSENT: ChangeKind.REMOVED,
        _State.UNJUDGED: ChangeKind.LOST,
        _State.NOT_APPLICABLE: ChangeKind.REMOVED,
        _State.GOOD: ChangeKind.FIXED,
        _State.EXPECTED: ChangeKind.NEWLY_EXPECTED,
        _State.XPASSED: ChangeKind.STILL_FAILING,
        _State.BAD: ChangeKind.REGRESSED,
    },
    _State.BAD: {
        _State.ABSENT: ChangeKind.REMOVED,
        _State.UNJUDGED: ChangeKind.LOST,
        _State.NOT_APPLICABLE: ChangeKind.REMOVED,
        _State.GOOD: ChangeKind.FIXED,
        _State.EXPECTED: ChangeKind.NEWLY_EXPECTED,
        _State.XPASSED: ChangeKind.FIXED,
        _State.BAD: ChangeKind.STILL_FAILING,
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
class ChangedSetting:
    """A version or setting that differs between two headers; None if a header lacks it."""

    name: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairChange:
    """A changed (cell, requirement) pair; an outcome is None if that run did not plan the pair."""

    requirement: str
    old: Outcome | None
    new: Outcome | None
    message: str

    @property
    def severity(self) -> int:
        """The rank of the worse outcome; 0 is the worst."""
        return min(SEVERITY[outcome] for outcome in (self.old, self.new) if outcome is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """The pairs of one cell that have the same kind of change."""

    cell: str
    kind: ChangeKind
    pairs: tuple[PairChange, ...]

    @property
    def lead(self) -> PairChange:
        """The pair with the worst outcome; it explains the others, such as skips."""
        return min(self.pairs, key=lambda pair: pair.severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """An output that passed in both runs, but needs a much larger atol in the new run."""

    cell: str
    requirement: str
    output: str
    old: float
    new: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """All changes between the runs named `old` and `new`.

    `incomplete` has a sentence for each run that is incomplete. `is_cut_short` is true if only the
    new run is incomplete.
    """

    old: str
    new: str
    incomplete: tuple[str, ...]
    is_cut_short: bool
    changed_settings: tuple[ChangedSetting, ...]
    cells: tuple[CellChange, ...]
    drifted: tuple[Drift, ...]

    def of(self, kind: ChangeKind) -> tuple[CellChange, ...]:
        return tuple(change for change in self.cells if change.kind is kind)

    @property
    def regressions(self) -> tuple[CellChange, ...]:
        """The changes that fail a gate: new failures and lost verdicts."""
        return tuple(change for change in self.cells if change.kind in REGRESSIONS)


@dataclass(frozen=True, slots=True)
class _Pair:
    cell: str
    requirement: str
    old: Record | None
    new: Record | None
    kind: ChangeKind | None


def compare(old: Run, new: Run, *, allow_different: bool = False) -> Diff:
    """Return the changes from `old` to `new`.

    Raises UsageError if the runs have different plans, unless `allow_different`.
    """
    if not allow_different:
        _refuse_different_plans(old, new)
    pairs = list(_pairs(old, new))
    reasons = [why_incomplete(run) for run in (old, new)]
    return Diff(
        old=old.header.run,
        new=new.header.run,
        incomplete=tuple(
            f"{side} run {run.header.run}: {reason}"
            for side, run, reason in zip(("old", "new"), (old, new), reasons, strict=True)
            if reason
        ),
        is_cut_short=bool(reasons[1] and not reasons[0]),
        changed_settings=changed_settings(_settings(old.header), _settings(new.header)),
        cells=tuple(_cells(pairs)),
        drifted=tuple(drift for pair in pairs for drift in _drifts(pair)),
    )


def changed_settings(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[ChangedSetting, ...]:
    """Return the versions or settings that differ between two runs, by name."""
    return tuple(
        ChangedSetting(name=name, old=old.get(name), new=new.get(name))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    )


def _refuse_different_plans(old: Run, new: Run) -> None:
    before, after = (
        {(cell, name) for cell, names in run.header.planned.items() for name in names}
        for run in (old, new)
    )
    profiles = (old.header.profile, new.header.profile)
    if before != after or len(set(profiles)) > 1:
        raise UsageError(
            f"{old.header.run} and {new.header.run} have different plans (profiles "
            f"{' and '.join(profiles)}; {len(before - after)} pairs only in the old run, "
            f"{len(after - before)} only in the new run); give --allow-different to compare them"
        )


def _settings(header: Header) -> dict[str, str]:
    others = {"platform": header.platform, "profile": header.profile, "seed": str(header.seed)}
    return {**header.versions, **others}


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
    """Return requirement -> (state, record). A skip counts as expected if its cell is expected."""
    if report is None:
        return {}
    skip = _State.EXPECTED if report.expected else _State.BAD
    states = {**_STATES, Outcome.SKIPPED: skip}
    return {r.requirement: (states.get(r.outcome, _State.BAD), r) for r in report.records}


def _cells(pairs: list[_Pair]) -> Iterator[CellChange]:
    order = list(ChangeKind)
    changed = [(order.index(pair.kind), pair) for pair in pairs if pair.kind is not None]
    changed.sort(key=lambda entry: entry[0])  # stable: cells stay as planned
    for (rank, cell), group in groupby(changed, key=lambda entry: (entry[0], entry[1].cell)):
        changes = tuple(_change(pair) for _, pair in group)
        yield CellChange(cell=cell, kind=order[rank], pairs=changes)


def _change(pair: _Pair) -> PairChange:
    """Return the change, with the new record's message or else the old record's."""
    with_message = [r for r in (pair.new, pair.old) if r is not None and r.message]
    return PairChange(
        requirement=pair.requirement,
        old=pair.old.outcome if pair.old else None,
        new=pair.new.outcome if pair.new else None,
        message=with_message[0].headline if with_message else "",
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
