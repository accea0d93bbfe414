"""Known failures: which record may end badly, how, and why that leaves a run green."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.matrix.pairs import Box, Pair
from harness.records import CellId, Outcome, Record

EXPECTABLE_OUTCOMES = (
    Outcome.FAILED,
    Outcome.INCONCLUSIVE,
    Outcome.ERRORED,
    Outcome.CRASHED,
    Outcome.TIMED_OUT,
)
FINDINGS = "docs/findings/"
UNWRITTEN = "not written yet"
"""What stands for a reason or an issue in a proposed entry; no file with it is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One entry, its globs resolved to the registered names; `source` is its file and place."""

    box: Box
    outcome: Outcome
    reason: str
    issue: str
    layer: str
    source: str

    def covers(self, cell: CellId, requirement: str) -> bool:
        return self.box.covers(Pair.of(cell, requirement))

    def to_json(self) -> Mapping[str, str]:
        """What a record carries of it."""
        return {
            "reason": self.reason,
            "issue": self.issue,
            "layer": self.layer,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Expectations:
    """All entries that hold for the installed versions, in the order of their files.

    Where several cover one pair, the first counts.
    """

    entries: tuple[Expectation, ...] = ()

    def find(self, cell: CellId, requirement: str) -> Expectation | None:
        return next((e for e in self.entries if e.covers(cell, requirement)), None)

    def expected_to_fail(self, cell: CellId, requirements: Iterable[str]) -> Sequence[str]:
        """Those of the requirements of a cell that an entry says to end as failed."""
        found = {requirement: self.find(cell, requirement) for requirement in requirements}
        return [name for name, entry in found.items() if entry and entry.outcome is Outcome.FAILED]

    def apply(self, record: Record) -> Record:
        """The record as `xfailed` where it ended as expected, as `xpassed` where it passed.

        Any other outcome stays: failing in another way, or in another requirement, is new.
        """
        expectation = self.find(record.cell, record.requirement)
        if expectation is None:
            return record
        if record.outcome is expectation.outcome:
            return dataclasses.replace(
                record, outcome=Outcome.XFAILED, expectation=expectation.to_json()
            )
        if record.outcome is Outcome.PASSED:
            return dataclasses.replace(
                record,
                outcome=Outcome.XPASSED,
                expectation=expectation.to_json(),
                message=_unexpected_pass(record, expectation),
            )
        return record


def _unexpected_pass(record: Record, expectation: Expectation) -> str:
    return (
        f"{record.requirement}: passed, expected {expectation.outcome} ({expectation.reason}) "
        f"[{record.cell}]; narrow or remove {expectation.source}"
    )
