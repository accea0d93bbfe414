"""Expectations: known failures, with the reason why they do not fail a run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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
"""Placeholder for the reason and issue of a drafted finding; a file that has it is refused."""

Pair = tuple[str, str]
"""A cell id and a requirement."""

_UNMET = "\nknown failures: "
"""Starts what `apply` adds to the message of a failure that is not the expected one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A finding: the signature of its failures, and why they fail; `source` is its file's name."""

    exporters: frozenset[str]
    opsets: frozenset[int]
    requirements: tuple[str, ...]
    outcome: Outcome
    pattern: re.Pattern[str]
    reason: str
    issue: str
    layer: str
    source: str

    def has_message_of(self, record: Record) -> bool:
        """Whether a record, without expectations applied, has this outcome and such a message."""
        return record.outcome is self.outcome and bool(self.pattern.search(record.message))

    def is_met_by(self, record: Record) -> bool:
        """Whether a record, without expectations applied, has the signature of this finding."""
        return (
            record.requirement in self.requirements
            and record.cell.exporter in self.exporters
            and record.cell.opset in self.opsets
            and self.has_message_of(record)
        )

    def can_meet(self, other: Expectation) -> bool:
        """Whether some record could have the signatures of both, but for its message."""
        return (
            self.outcome is other.outcome
            and not self.exporters.isdisjoint(other.exporters)
            and not self.opsets.isdisjoint(other.opsets)
            and not set(self.requirements).isdisjoint(other.requirements)
        )

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
    """All known failures that are valid for the installed versions, by the pairs they list."""

    listed: Mapping[Pair, Expectation] = field(default_factory=dict)

    def find(self, cell: CellId, requirement: str) -> Expectation | None:
        return self.listed.get((str(cell), requirement))

    def expected_to_fail(self, cell: CellId, requirements: Iterable[str]) -> Sequence[str]:
        """Return the requirements of a cell that are expected to end as `failed`."""
        found = {requirement: self.find(cell, requirement) for requirement in requirements}
        return [name for name, one in found.items() if one and one.outcome is Outcome.FAILED]

    def apply(self, record: Record) -> Record:
        """Return the record as `xfailed` if it failed as expected, as `xpassed` if it passed.

        Another failure keeps its outcome, and its message says what was expected. A record without
        a verdict, or that is not applicable, is unchanged.
        """
        expected = self.find(record.cell, record.requirement)
        if expected is None:
            return record
        if record.outcome is Outcome.PASSED:
            return dataclasses.replace(
                record,
                outcome=Outcome.XPASSED,
                expectation=expected.to_json(),
                message=_unexpected_pass(record, expected),
            )
        if record.outcome not in EXPECTABLE_OUTCOMES:
            return record
        if expected.is_met_by(record):
            return dataclasses.replace(
                record, outcome=Outcome.XFAILED, expectation=expected.to_json()
            )
        return dataclasses.replace(record, message=record.message + _unmet(record, expected))


def own_message(record: Record) -> str:
    """Return the message of a record without the addition of `Expectations.apply`."""
    return record.message.partition(_UNMET)[0]


def _unexpected_pass(record: Record, expected: Expectation) -> str:
    return (
        f"{record.requirement}: passed, expected {expected.outcome} ({expected.reason}) "
        f"[{record.cell}]; {expected.source} lists it, take it off with expectations update"
    )


def _unmet(record: Record, expected: Expectation) -> str:
    if record.outcome is expected.outcome:
        got = "a message that its pattern does not match"
    else:
        got = f"{record.outcome}, expected {expected.outcome}"
    return (
        f"{_UNMET}{expected.source} lists this ({expected.reason}): got {got} [{record.cell}]; "
        "look for another defect, or correct the pattern"
    )
