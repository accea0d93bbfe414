"""What a run judges: the matrix as the options cut it, and what a user is told about the cuts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from harness.matrix.changed_files import changed_files
from harness.matrix.changes import select_changes
from harness.matrix.durations import Durations
from harness.matrix.opsets import parse_opsets
from harness.matrix.plan import Plan, Selection, dump_plan, make_plan, read_plan
from harness.matrix.registry import Registry
from harness.matrix.shards import cells_of_shard, parse_shard
from harness.matrix.smoke_set import picked, smoke_set
from harness.pytest_plugin import options
from harness.records import Shard

if TYPE_CHECKING:
    from harness.judge.profiles import Profile

FEWER = "there are fewer architectures"
CHOOSING = (options.ARCHITECTURE, options.TASK, options.CHANGED_SINCE)
"""Who gives one of these says which rows to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan; `notes` say how it was cut, `why_empty` why that rightly left nothing.

    `shard` is what the header of the run file says of it, `is_gate` that changes were selected.
    """

    plan: Plan
    shard: Shard | None = None
    notes: tuple[str, ...] = ()
    why_empty: str = ""
    is_gate: bool = False

    def to_json(self) -> dict[str, Any]:
        """What the controller hands to workers: what it read, none of them reads anew."""
        return {"plan": dump_plan(self.plan), "why_empty": self.why_empty}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Planned:
        return cls(plan=read_plan(data["plan"]), why_empty=data["why_empty"])


def plan_run(
    config: pytest.Config, profile: Profile, registry: Registry, *, durations: Durations
) -> Planned:
    """The plan that the options ask for; raises UsageError for those that are wrong."""
    whole = Planned(plan=make_plan(_selection(config, profile), registry))
    if profile.smoke_set and not any(option.get(config) for option in CHOOSING):
        whole = _smoke(whole, registry, durations=durations)
    gated = _since(whole, config, registry, durations=durations)
    return _sharded(gated, config, durations)


def _selection(config: pytest.Config, profile: Profile) -> Selection:
    opsets = options.OPSET.get(config)
    return Selection(
        opsets=profile.opsets if opsets is None else parse_opsets(opsets),
        architecture=options.ARCHITECTURE.get(config),
        task=options.TASK.get(config),
        exporter=options.EXPORTER.get(config),
        requirement=options.REQUIREMENT.get(config),
        exports_again=profile.exports_again,
    )


def _smoke(whole: Planned, registry: Registry, *, durations: Durations) -> Planned:
    rows = smoke_set(registry, durations)
    every = sum(map(len, registry.tasks.values()))
    note = f"the smoke set: {len(rows)} of {every} tasks of architectures; --architecture for more"
    return Planned(plan=picked(whole.plan, rows), notes=(note,))


def _since(
    whole: Planned, config: pytest.Config, registry: Registry, *, durations: Durations
) -> Planned:
    ref = options.CHANGED_SINCE.get(config)
    if ref is None:
        return whole
    files = changed_files(ref, config.rootpath, subject=options.CHANGED_SINCE.flag)
    changes = select_changes(files, registry, durations)
    return Planned(
        plan=changes.cells_of(whole.plan),
        notes=(*whole.notes, f"changed since {ref}: {changes}"),
        why_empty=f"changed since {ref}: no change selects a cell",
        is_gate=True,
    )


def _sharded(whole: Planned, config: pytest.Config, durations: Durations) -> Planned:
    text = options.SHARD.get(config)
    if text is None:
        return whole
    shard = parse_shard(text)
    plan = cells_of_shard(whole.plan, shard, durations)
    cells = len(whole.plan)
    note = f"{shard}: {len(plan)} of {cells} cells"
    return dataclasses.replace(
        whole,
        plan=plan,
        shard=Shard(index=shard.index, count=shard.count, cells=cells),
        notes=(*whole.notes, note),
        why_empty=whole.why_empty if not cells else f"{shard} has no cell: {FEWER}",
    )
