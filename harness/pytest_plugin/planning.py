"""Plans a run: the cells of the matrix that the options select, with notes for the user."""

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
from harness.matrix.smoke_set import select_rows, smoke_set
from harness.pytest_plugin import options
from harness.records import RunShard

if TYPE_CHECKING:
    from harness.judge.profiles import Profile

TOO_FEW = "there are fewer architectures than shards"
ROW_OPTIONS = (options.ARCHITECTURE, options.TASK, options.CHANGED_SINCE)
"""Options that choose rows of the matrix; one of them replaces the smoke set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """The plan of a run.

    `notes` say how options reduced it, `why_empty` why it may rightly have no cell. `shard` goes
    into the header of the run file. `is_gate` is set if `--changed-since` selected the cells.
    """

    plan: Plan
    shard: RunShard | None = None
    notes: tuple[str, ...] = ()
    why_empty: str = ""
    is_gate: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values; the workers of xdist get these and do not plan again."""
        return {"plan": dump_plan(self.plan), "why_empty": self.why_empty}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunPlan:
        return cls(plan=read_plan(data["plan"]), why_empty=data["why_empty"])


def plan_run(
    config: pytest.Config, profile: Profile, registry: Registry, *, durations: Durations
) -> RunPlan:
    """Make the plan that the options ask for. Raises UsageError if an option is wrong."""
    whole = RunPlan(plan=make_plan(_selection(config, profile), registry))
    if profile.smoke_set and not any(option.get(config) for option in ROW_OPTIONS):
        whole = _select_smoke_set(whole, registry, durations=durations)
    gated = _select_changed(whole, config, registry, durations=durations)
    return _take_shard(gated, config, durations)


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


def _select_smoke_set(whole: RunPlan, registry: Registry, *, durations: Durations) -> RunPlan:
    rows = smoke_set(registry, durations)
    every = sum(map(len, registry.tasks.values()))
    pairs = len({(row.model, row.task) for row in rows})
    note = f"smoke set: {pairs} of {every} (model, task) pairs; select others with --architecture"
    return RunPlan(plan=select_rows(whole.plan, rows), notes=(note,))


def _select_changed(
    whole: RunPlan, config: pytest.Config, registry: Registry, *, durations: Durations
) -> RunPlan:
    ref = options.CHANGED_SINCE.get(config)
    if ref is None:
        return whole
    files = changed_files(ref, config.rootpath, subject=options.CHANGED_SINCE.flag)
    changes = select_changes(files, registry, durations)
    return RunPlan(
        plan=changes.cells_of(whole.plan),
        notes=(*whole.notes, f"changed since {ref}: {changes}"),
        why_empty=f"changed since {ref}: no change selects a cell",
        is_gate=True,
    )


def _take_shard(whole: RunPlan, config: pytest.Config, durations: Durations) -> RunPlan:
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
        shard=RunShard(index=shard.index, count=shard.count, cells=cells),
        notes=(*whole.notes, note),
        why_empty=whole.why_empty if not cells else f"{shard} has no cell: {TOO_FEW}",
    )
