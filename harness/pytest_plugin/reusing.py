"""--incremental: which cells have records of an earlier run that still hold, and using them."""

from __future__ import annotations

import dataclasses
import json
import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from harness.isolation.supervisor import Judged, Work
from harness.matrix.expectations import Expectations
from harness.matrix.fingerprint import Fingerprints
from harness.matrix.plan import Plan
from harness.matrix.results import Result, ResultStore, difference
from harness.records import CellId, Outcome, Record, Started, dump_line

SAMPLE_SHARE, SAMPLE_CELLS = 0.1, 5
"""How many of the cells that could be reused are judged again, whichever is more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """What the controller found when the run began, so that all processes do the same.

    `verified` are cells that could be reused and are judged again instead, to be compared.
    """

    fingerprints: Mapping[CellId, str]
    reused: frozenset[CellId]
    verified: frozenset[CellId] = frozenset()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What the controller hands to workers: names, since records stand in the store."""
        return {
            "fingerprints": {str(cell): text for cell, text in self.fingerprints.items()},
            "reused": sorted(map(str, self.reused)),
            "verified": sorted(map(str, self.verified)),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reuse:
        fingerprints = {CellId.parse(c): text for c, text in data["fingerprints"].items()}
        reused, verified = (frozenset(map(CellId.parse, data[k])) for k in ("reused", "verified"))
        return cls(fingerprints=fingerprints, reused=reused, verified=verified)


def plan_reuse(plan: Plan, fingerprints: Fingerprints, store: ResultStore) -> Reuse:
    """The cells of which the store has records that still hold."""
    known = {
        cell: fingerprint
        for cell, requirements in plan.items()
        if (fingerprint := fingerprints.of(cell, requirements)) is not None
    }
    reused = frozenset(c for c, text in known.items() if store.read(text, c, plan[c]) is not None)
    note = f"conformance: {len(reused)} of {len(plan)} cells reused"
    return Reuse(fingerprints=known, reused=reused, notes=(note,))


def sampled(reuse: Reuse, *, cells: int, seed: int | None = None) -> Reuse:
    """The same, but for a sample that is judged again; `cells` are planned in all."""
    drawn = secrets.randbelow(2**32) if seed is None else seed
    count = min(len(reuse.reused), max(SAMPLE_CELLS, round(SAMPLE_SHARE * len(reuse.reused))))
    sample = frozenset(random.Random(drawn).sample(sorted(reuse.reused), count))
    rest = reuse.reused - sample
    note = (
        f"conformance: {len(rest)} of {cells} cells reused, {count} more are judged again and "
        f"compared (sample seed {drawn})"
    )
    return dataclasses.replace(reuse, reused=rest, verified=sample, notes=(note,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuser:
    """Judges the cells of one process, or takes what the store has.

    `begun` is how everything was when this process began: a worker on another machine may see it
    otherwise than the controller did. `look` says how it is now: what was changed meanwhile may
    have been judged as it was or as it is, and is not kept.
    """

    reuse: Reuse
    begun: Fingerprints
    look: Callable[[], Fingerprints]
    expectations: Expectations
    run: str
    process: str
    judge: Callable[[Work], Judged]
    store: ResultStore = field(default_factory=ResultStore)

    def judged(self, work: Work) -> Judged:
        """One record for each requirement of a cell, from the store or from the judge."""
        fingerprint = self._fingerprint(work, self.begun)
        kept = self._kept(work, fingerprint)
        if kept is not None and work.cell in self.reuse.reused:
            return self._reused(work.cell, kept)
        judged = self.judge(work)
        if fingerprint is None or fingerprint != self._fingerprint(work, self.look()):
            return judged
        if kept is not None:
            return self._compared(judged, kept, fingerprint)
        self._keep(work, judged, fingerprint)
        return judged

    def _fingerprint(self, work: Work, fingerprints: Fingerprints) -> str | None:
        """That of a cell; None where it is not the one that the controller found."""
        now = fingerprints.of(work.cell, work.requirements)
        return now if now == self.reuse.fingerprints.get(work.cell) else None

    def _kept(self, work: Work, fingerprint: str | None) -> Result | None:
        if fingerprint is None or work.cell not in self.reuse.reused | self.reuse.verified:
            return None
        return self.store.read(fingerprint, work.cell, work.requirements)

    def _reused(self, cell: CellId, kept: Result) -> Judged:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        marked = (dataclasses.replace(record, reused=kept.run) for record in kept.records)
        records = {r.requirement: r for r in map(self.expectations.apply, marked)}
        started = Started(cell=cell, process=self.process, time=now)
        lines = [dump_line(started), *map(dump_line, records.values())]
        return Judged(lines=lines, records=records)

    def _keep(self, work: Work, judged: Judged, fingerprint: str) -> None:
        """Only what ended in verdicts, and as the run file has it."""
        result = Result.of(self.run, judged.raw, work.requirements)
        if result is not None and all(
            dump_line(self.expectations.apply(record))
            == dump_line(judged.records[record.requirement])
            for record in result.records
        ):
            self.store.write(fingerprint, result)

    def _compared(self, judged: Judged, kept: Result, fingerprint: str) -> Judged:
        """The records as they are where they are the same, else `errored`, and nothing kept."""
        wrong = dict(_differing(judged, kept))
        if not wrong:
            return judged
        self.store.remove(fingerprint)
        records = {**judged.records, **wrong}
        lines = [text for text in judged.lines if _requirement(text) not in wrong]
        lines += map(dump_line, wrong.values())
        return dataclasses.replace(judged, lines=lines, records=records)


def _differing(judged: Judged, kept: Result) -> Iterator[tuple[str, Record]]:
    raw = {record.requirement: record for record in judged.raw}
    for before in kept.records:
        name = before.requirement
        now = raw.get(name, judged.records[name])
        found = difference(before, now)
        if found is not None:
            message = (
                f"{name}: judged again, got {found} of run {kept.run} [{before.cell}]; "
                "the fingerprint misses something that changes this result: report it"
            )
            yield (
                name,
                dataclasses.replace(
                    judged.records[name], outcome=Outcome.ERRORED, message=message, expectation=None
                ),
            )


def _requirement(text: str) -> str | None:
    """The requirement of a line, None where it is no record."""
    name = json.loads(text).get("requirement")
    return None if name is None else str(name)
