"""What a run tells about the entries of today: how each pair really ended, expected or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.matrix.expectation_checks import Known, always_precedes
from harness.matrix.expectations import EXPECTABLE_OUTCOMES
from harness.matrix.pairs import Matrix, Pair
from harness.records import Outcome, Record, Run

VERDICTS = frozenset({*EXPECTABLE_OUTCOMES, Outcome.PASSED, Outcome.NOT_APPLICABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How the pairs ended on which a verdict was given, as if nothing had been expected.

    `forgotten` ended as entries said that there are no more, so that nobody knows how.
    """

    records: Mapping[Pair, Record]
    outcomes: Mapping[Pair, Outcome]
    forgotten: tuple[Pair, ...]

    def failures(self, active: Sequence[Known]) -> list[Pair]:
        """The pairs that ended badly and not as the entries say."""
        bad = [pair for pair, outcome in self.outcomes.items() if outcome in EXPECTABLE_OUTCOMES]
        return [pair for pair in bad if not any(self.meets(pair, one) for one in active)]

    def meets(self, pair: Pair, known: Known) -> bool:
        """Whether a pair ended as an entry that covers it says."""
        expectation = known.expectation
        return expectation.box.covers(pair) and self.outcomes.get(pair) is expectation.outcome

    def leaves(self, pair: Pair, known: Known) -> bool:
        """Whether nothing is said against an entry at a pair that it covers."""
        is_open = pair not in self.outcomes and known.expectation.box.covers(pair)
        return is_open or self.meets(pair, known)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryEvidence:
    """What a run says about one entry: pairs that speak for keeping it, and pairs against it.

    Whatever was not judged speaks for it. What is not applicable says nothing, nor does what an
    entry before it always settles.
    """

    supporting: frozenset[Pair]
    contradicting: frozenset[Pair]
    is_passed: bool
    is_idle: bool

    @property
    def is_refuted(self) -> bool:
        """Whether nothing speaks for the entry, though a verdict was given on all of its pairs."""
        return not self.supporting and (bool(self.contradicting) or self.is_idle)


def judge_pairs(run: Run, active: Sequence[Known]) -> Judged:
    """Read the records of a run by the entries that held for it."""
    records = {Pair.of(record.cell, record.requirement): record for record in run.records.values()}
    ended = {pair: _real_outcome(pair, record, active) for pair, record in records.items()}
    return Judged(
        records=records,
        outcomes={pair: outcome for pair, outcome in ended.items() if outcome in VERDICTS},
        forgotten=tuple(sorted(pair for pair, outcome in ended.items() if outcome is None)),
    )


def _real_outcome(pair: Pair, record: Record, active: Sequence[Known]) -> Outcome | None:
    if record.outcome is Outcome.XPASSED:
        return Outcome.PASSED
    if record.outcome is not Outcome.XFAILED:
        return record.outcome
    covering = (one.expectation for one in active if one.expectation.box.covers(pair))
    return next((expectation.outcome for expectation in covering), None)


def collect_evidence(
    known: Known, earlier: Sequence[Known], judged: Judged, matrix: Matrix
) -> EntryEvidence:
    """What a run says about an entry; `earlier` hold too, and count before it."""
    settled = [other for other in earlier if always_precedes(other, known)]
    supporting, contradicting, idle = set(), set(), False
    for pair in matrix.pairs(known.expectation.box):
        outcome = judged.outcomes.get(pair)
        if outcome is Outcome.NOT_APPLICABLE:
            idle = True
        elif any(judged.leaves(pair, other) for other in settled):
            continue
        elif outcome is None or any(judged.meets(pair, one) for one in (*earlier, known)):
            supporting.add(pair)
        else:
            contradicting.add(pair)
    return EntryEvidence(
        supporting=frozenset(supporting),
        contradicting=frozenset(contradicting),
        is_passed=any(judged.outcomes[pair] is Outcome.PASSED for pair in contradicting),
        is_idle=idle,
    )
