"""Expectations: known failures, with the reason why they do not fail a run."""

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
"""Placeholder for the reason and issue of a proposed entry; a file that has it is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One entry, with globs resolved to registered names; `source` is its file and position."""

    box: Box
    outcome: Outcome
    reason: str
    issue: str
    layer: str
    source: str

    def covers(self, cell: CellId, requirement: str) -> bool:
        return self.box.covers(Pair.of(cell, requirement))

    def to_json(self) -> Mapping[str, str]:
        """Return the fields that are written to a record."""
        return {
            "reason": self.reason,
            "issue": self.issue,
            "layer": self.layer,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class Expectations:
    """All known failures that are valid for the installed versions, in the order of their files.

    If several cover one requirement of a cell, the first counts.
    """

    entries: tuple[Expectation, ...] = ()

    def find(self, cell: CellId, requirement: str) -> Expectation | None:
        return next((e for e in self.entries if e.covers(cell, requirement)), None)

    def expected_to_fail(self, cell: CellId, requirements: Iterable[str]) -> Sequence[str]:
        """Return the requirements of a cell that are expected to end as `failed`."""
        found = {requirement: self.find(cell, requirement) for requirement in requirements}
        return [name for name, entry in found.items() if entry and entry.outcome is Outcome.FAILED]

    def apply(self, record: Record) -> Record:
        """Return the record as `xfailed` if it failed as expected, as `xpassed` if it passed.

        Other outcomes are unchanged: another failure, or one of another requirement, is new.
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
