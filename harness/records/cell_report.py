"""All records of one cell, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.records.json_types import to_plain
from harness.records.lines import CellId, Record, Unreached
from harness.records.outcomes import CONFORMING_OUTCOMES, SEVERITY, Outcome, is_expected, roll_up
from harness.records.scope import Reach, Scope, reach_of, show_reached

CHECK_SCHEMA_VERSION = 2
"""Version of the JSON that `check`, `export` and `replay` print."""


@dataclass(frozen=True, slots=True)
class CellReport:
    """All records of one cell, in the order of the ladder.

    `scope` says what the verdict holds for; None for a cell of the matrix, whose plan says it.
    """

    cell: CellId
    records: tuple[Record, ...]
    scope: Scope | None = None

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
        """One entry per landmark that no record reached, at its largest bound.

        `reached` and `needs` are of the record that came furthest.
        """
        furthest: dict[str, Unreached] = {}
        for one in (one for record in self.records for one in record.unreached):
            known = furthest.setdefault(one.landmark, one)
            furthest[one.landmark] = max(known, one, key=lambda u: (u.bound, u.reached))
        reached = {reach.axis: reach.reached for reach in self.reach}
        return tuple(u for u in furthest.values() if reached.get(u.landmark, 0) < u.bound)

    @property
    def reach(self) -> tuple[Reach, ...]:
        """The largest sizes that the examples of all records reached, by axis."""
        return reach_of(self.records)

    @property
    def verdict(self) -> str:
        """The verdict without the cell, such as `conforms` or `does not conform`.

        It names the requirements if the user selected them, and the landmarks that were not
        reached.
        """
        if self.scope is not None and self.scope.is_selection:
            count = len(self.scope.not_asked)
            rest = f"; {count} requirement{'s' if count != 1 else ''} not asked for"
            return "; ".join(self._outcomes_by_name()) + (rest if count else "")
        return f"conforms{self._as_far_as}" if self.conforms else "does not conform"

    def _outcomes_by_name(self) -> Iterator[str]:
        """Yield, for each outcome of a selection, the requirements that have it."""
        names: dict[Outcome, list[str]] = {}
        for record in self.records:
            names.setdefault(record.outcome, []).append(record.requirement)
        for outcome, same in names.items():
            far = self._as_far_as if outcome is Outcome.PASSED else ""
            yield f"{', '.join(same)} {outcome.replace('_', ' ')}{far}"

    @property
    def _as_far_as(self) -> str:
        """The limits up to which examples ran, as text; empty if they reached the whole domain.

        A requirement that came less far than the others is named.
        """
        furthest = {one.landmark: one.reached for one in self.unreached}
        limits = [_limit(one) for one in self.unreached]
        text = f" as far as {', '.join(limits)}" if limits else ""
        for record in self.records:
            behind = [
                _limit(one)
                for one in record.unreached
                if one.reached < furthest.get(one.landmark, one.bound)
            ]
            text += f"; {record.requirement} as far as {', '.join(behind)}" if behind else ""
        return text

    def record(self, requirement: str) -> Record:
        """Return the record of one requirement; raises KeyError if it was not planned."""
        return {record.requirement: record for record in self.records}[requirement]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that `check --json` prints; its schema: `schemas/check.schema.json`."""
        return {
            "schema_version": CHECK_SCHEMA_VERSION,
            "conforms": self.conforms,
            "verdict": self.verdict,
            "cell": str(self.cell),
            "scope": self._scope_to_json(),
            "requirements": [
                {
                    "id": record.requirement,
                    "outcome": str(record.outcome),
                    "message": record.message,
                    "examples": record.examples,
                    "worst": to_plain(record.worst),
                    "unreached": to_plain(record.unreached),
                    "tolerance": to_plain(record.tolerance),
                    "tolerance_origin": record.tolerance_origin,
                }
                for record in self.records
            ],
        }

    def _scope_to_json(self) -> dict[str, Any] | None:
        if self.scope is None:
            return None
        return {**self.scope.to_json(), "reached": to_plain(self.reach)}


def _limit(one: Unreached) -> str:
    return f"{show_reached(one.reached, one.bound)} ({one.landmark})"
