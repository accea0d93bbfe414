"""All records of one cell, and the verdict that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.records.json_types import to_plain
from harness.records.lines import CellId, Record, Unreached
from harness.records.outcomes import CONFORMING_OUTCOMES, SEVERITY, Outcome, is_expected, roll_up

CHECK_SCHEMA_VERSION = 2
"""Version of the JSON that `check`, `export` and `replay` print."""


@dataclass(frozen=True, slots=True)
class CellReport:
    """All records of one cell, in the order of the ladder."""

    cell: CellId
    records: tuple[Record, ...]

    @property
    def outcome(self) -> Outcome:
        return roll_up(record.outcome for record in self.records)

    @property
    def conforms(self) -> bool:
        """Whether at least one requirement passed and every applicable one did."""
        outcomes = {record.outcome for record in self.records}
        return Outcome.PASSED in outcomes and outcomes <= CONFORMING_OUTCOMES

    @property
    def expected(self) -> bool:
        """Whether this cell keeps a run green."""
        return is_expected(record.outcome for record in self.records)

    @property
    def worst(self) -> Record:
        """The first record with the cell's outcome; raises ValueError if there are no records."""
        return min(self.records, key=lambda record: SEVERITY[record.outcome])

    @property
    def unreached(self) -> tuple[Unreached, ...]:
        """One entry per landmark that some record did not reach, at its largest bound.

        `reached` and `needs` are of the record that came least far.
        """
        least: dict[str, Unreached] = {}
        for one in (one for record in self.records for one in record.unreached):
            known = least.setdefault(one.landmark, one)
            least[one.landmark] = min(known, one, key=lambda u: (-u.bound, u.reached))
        return tuple(least.values())

    def record(self, requirement: str) -> Record:
        """Return the record of one requirement; raises KeyError if it was not planned."""
        return {record.requirement: record for record in self.records}[requirement]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that `check --json` prints; its schema: `schemas/check.schema.json`."""
        return {
            "schema_version": CHECK_SCHEMA_VERSION,
            "conforms": self.conforms,
            "cell": str(self.cell),
            "requirements": [
                {
                    "id": record.requirement,
                    "outcome": str(record.outcome),
                    "message": record.message,
                    "examples": record.examples,
                    "worst": to_plain(record.worst),
                    "unreached": to_plain(record.unreached),
                }
                for record in self.records
            ],
        }
