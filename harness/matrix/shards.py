"""Splits a plan for several machines; each machine computes the same split by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import UsageError
from harness.matrix.durations import Durations
from harness.matrix.plan import Plan

_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One of `count` parts of a plan; `index` counts from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"shard {self.index} of {self.count}"


def parse_shard(text: str, *, subject: str = "--shard") -> Shard:
    """Parse `2/3`; raises UsageError that starts with `subject` if the text has another form."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(f"{subject} {text!r}: not a shard; write 1/3 for the first of three")
    shard = Shard(index=int(match[1]), count=int(match[2]))
    if not 1 <= shard.index <= shard.count:
        raise UsageError(
            f"{subject} {text!r}: there is no such shard; give 1/{shard.count or 1} to "
            f"{shard.count or 1}/{shard.count or 1}"
        )
    return shard


def cells_of_shard(plan: Plan, shard: Shard, durations: Durations) -> Plan:
    """Return the cells of one shard, in the order of the plan; may be empty.

    Architectures are assigned in order of their expected time, the longest first, each to the shard
    with the least time so far (Graham's longest-processing-time rule: the slowest shard takes at
    most 4/3 of the best split). Ties are decided by name and index, so the same plan and durations
    give the same shards on every machine. All cells of an architecture and its variants are in one
    shard, since they share expensive work. A shard is empty if there are more shards than
    architectures.
    """
    seconds: dict[str, float] = {}
    for cell in plan:
        seconds[cell.architecture] = seconds.get(cell.architecture, 0.0) + durations.of(cell)
    loads = [0.0] * shard.count
    selected = set()
    for architecture in sorted(seconds, key=lambda name: (-seconds[name], name)):
        lightest = loads.index(min(loads))
        loads[lightest] += seconds[architecture]
        if lightest == shard.index - 1:
            selected.add(architecture)
    return {cell: names for cell, names in plan.items() if cell.architecture in selected}
