"""--incremental: find and reuse records of earlier runs that still hold."""

from __future__ import annotations

import dataclasses
import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.isolation.supervisor import CellJob
from harness.matrix.fingerprint import Fingerprints
from harness.matrix.plan import Plan
from harness.matrix.results import ResultStore
from harness.records import CellId

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

    def add_stored(self, job: CellJob, own: Fingerprints) -> CellJob:
        """Return a job with its fingerprint and stored records, if they still hold.

        `own` were taken by this process when it began: a worker on another machine may have other
        files than the controller. A cell whose fingerprint is another one is judged and not stored.
        """
        cell = job.cell
        fingerprint = own.of(cell, job.requirements)
        if fingerprint is None or fingerprint != self.fingerprints.get(cell):
            return job
        may_have = cell in self.reused | self.verified
        return dataclasses.replace(
            job,
            fingerprint=fingerprint,
            stored=ResultStore().read(fingerprint, cell, job.requirements) if may_have else None,
            is_verified=cell in self.verified,
        )


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
