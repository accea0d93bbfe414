"""--incremental: find and reuse records of earlier runs that still hold."""

from __future__ import annotations

import dataclasses
import json
import random
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from harness.isolation.supervisor import CellJob, CellResult
from harness.matrix.expectations import Expectations
from harness.matrix.fingerprint import Fingerprints
from harness.matrix.plan import Plan
from harness.matrix.results import ResultStore, StoredResult, first_difference
from harness.records import CellId, Outcome, Record, Started, dump_line

SAMPLE_SHARE, SAMPLE_CELLS = 0.1, 5
"""Share and number of reusable cells that =verify judges again; the larger of the two counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReusePlan:
    """The cells that are reused; the controller chooses them at the start of the run.

    `verified` are cells that could be reused, but are judged again to compare the records.
    """

    fingerprints: Mapping[CellId, str]
    reused: frozenset[CellId]
    verified: frozenset[CellId] = frozenset()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Form sent to workers. It has no records, since workers read them from the store."""
        return {
            "fingerprints": {str(cell): text for cell, text in self.fingerprints.items()},
            "reused": sorted(map(str, self.reused)),
            "verified": sorted(map(str, self.verified)),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ReusePlan:
        fingerprints = {CellId.parse(c): text for c, text in data["fingerprints"].items()}
        reused, verified = (frozenset(map(CellId.parse, data[k])) for k in ("reused", "verified"))
        return cls(fingerprints=fingerprints, reused=reused, verified=verified)


def plan_reuse(plan: Plan, fingerprints: Fingerprints, store: ResultStore) -> ReusePlan:
    """Find the cells of which the store has records with the same fingerprint."""
    known = {
        cell: fingerprint
        for cell, requirements in plan.items()
        if (fingerprint := fingerprints.of(cell, requirements)) is not None
    }
    reused = frozenset(c for c, text in known.items() if store.read(text, c, plan[c]) is not None)
    note = f"conformance: {len(reused)} of {len(plan)} cells reused"
    return ReusePlan(fingerprints=known, reused=reused, notes=(note,))


def with_verified_sample(reuse: ReusePlan, *, cells: int, seed: int | None = None) -> ReusePlan:
    """Move a random sample of the reused cells to `verified`; `cells` is the size of the plan."""
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
class ReusingJudge:
    """Judges the cells of one process, or reuses the records in the store.

    `fingerprints_at_start` were taken by this process when it began: a worker on another machine
    may have other files than the controller. `take_fingerprints` takes new ones after a cell was
    judged: if a file changed meanwhile, it is unknown which version was judged, and the records
    are not stored.
    """

    reuse: ReusePlan
    fingerprints_at_start: Fingerprints
    take_fingerprints: Callable[[], Fingerprints]
    expectations: Expectations
    run: str
    process: str
    judge_in_child: Callable[[CellJob], CellResult]
    store: ResultStore = field(default_factory=ResultStore)

    def judge_or_reuse(self, job: CellJob) -> CellResult:
        """Return one record for each requirement of a cell, from the store or from the judge."""
        fingerprint = self._confirmed_fingerprint(job, self.fingerprints_at_start)
        stored = self._stored_result(job, fingerprint)
        if stored is not None and job.cell in self.reuse.reused:
            return self._result_from_store(job.cell, stored)
        judged = self.judge_in_child(job)
        if fingerprint is None or fingerprint != self._confirmed_fingerprint(
            job, self.take_fingerprints()
        ):
            return judged
        if stored is not None:
            return self._compare_with_stored(judged, stored, fingerprint)
        self._store_verdicts(job, judged, fingerprint)
        return judged

    def _confirmed_fingerprint(self, job: CellJob, fingerprints: Fingerprints) -> str | None:
        """Return the fingerprint of a cell as this process computes it, or None if the controller
        computed another one."""
        now = fingerprints.of(job.cell, job.requirements)
        return now if now == self.reuse.fingerprints.get(job.cell) else None

    def _stored_result(self, job: CellJob, fingerprint: str | None) -> StoredResult | None:
        if fingerprint is None or job.cell not in self.reuse.reused | self.reuse.verified:
            return None
        return self.store.read(fingerprint, job.cell, job.requirements)

    def _result_from_store(self, cell: CellId, stored: StoredResult) -> CellResult:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        marked = (dataclasses.replace(record, reused=stored.run) for record in stored.records)
        records = {r.requirement: r for r in map(self.expectations.apply, marked)}
        started = Started(cell=cell, process=self.process, time=now)
        lines = [dump_line(started), *map(dump_line, records.values())]
        return CellResult(lines=lines, records=records)

    def _store_verdicts(self, job: CellJob, judged: CellResult, fingerprint: str) -> None:
        """Store the records of a cell if each is a verdict and agrees with the run file."""
        result = StoredResult.of(self.run, judged.raw, job.requirements)
        if result is not None and all(
            dump_line(self.expectations.apply(record))
            == dump_line(judged.records[record.requirement])
            for record in result.records
        ):
            self.store.write(fingerprint, result)

    def _compare_with_stored(
        self, judged: CellResult, stored: StoredResult, fingerprint: str
    ) -> CellResult:
        """Mark records that differ from the stored ones as `errored`; if any, remove the stored."""
        wrong = dict(_changed_records(judged, stored))
        if not wrong:
            return judged
        self.store.remove(fingerprint)
        records = {**judged.records, **wrong}
        lines = [text for text in judged.lines if _requirement(text) not in wrong]
        lines += map(dump_line, wrong.values())
        return dataclasses.replace(judged, lines=lines, records=records)


def _changed_records(judged: CellResult, stored: StoredResult) -> Iterator[tuple[str, Record]]:
    raw = {record.requirement: record for record in judged.raw}
    for before in stored.records:
        name = before.requirement
        now = raw.get(name, judged.records[name])
        found = first_difference(before, now)
        if found is not None:
            message = (
                f"{name}: judged again, got {found} of run {stored.run} [{before.cell}]; "
                "the fingerprint omits something that changes this result: report it"
            )
            yield (
                name,
                dataclasses.replace(
                    judged.records[name], outcome=Outcome.ERRORED, message=message, expectation=None
                ),
            )


def _requirement(text: str) -> str | None:
    """Return the requirement id in a line of a journal, or None if the line is not a record."""
    name = json.loads(text).get("requirement")
    return None if name is None else str(name)
