"""Where a run came from: versions, platform, profile, seed, plan, and what is asked in it."""

from __future__ import annotations

import platform
from collections.abc import Container, Iterable
from datetime import UTC, datetime

from harness.configs.transformers_mappings import not_registered
from harness.errors import HarnessError
from harness.matrix.registry import modalities
from harness.pytest_plugin.context import RunContext
from harness.records import CellId, Header, Meaning
from harness.requirements import ladder
from harness.versions import versions


def make_header(context: RunContext, cells: Iterable[CellId]) -> Header:
    """The header of a run that judges `cells` on their planned requirements."""
    planned = {cell: list(context.plan[cell]) for cell in cells}
    return Header(
        run=context.run_directory.name,
        started=now(),
        versions=versions(),
        platform=platform.platform(),
        profile=context.profile.name,
        max_examples=context.profile.max_examples,
        seed=context.seed,
        planned={str(cell): requirements for cell, requirements in planned.items()},
        modalities=modalities(cell.architecture for cell in planned),
        requirements=meanings({name for names in planned.values() for name in names}),
        shard=context.planned.shard,
        not_registered=_not_registered(),
    )


def now() -> str:
    """This moment as run files write it: ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def meanings(planned: Container[str]) -> dict[str, Meaning]:
    """What the planned requirements mean, in ladder order: reports import no requirements."""
    return {
        requirement.id: Meaning(proves=requirement.proves, fails_when=requirement.fails_when)
        for requirement in ladder()
        if requirement.id in planned
    }


def _not_registered() -> dict[str, list[str]]:
    """Nothing where transformers is not laid out as we know it: that must not end a run."""
    try:
        return {architecture: tasks for _, architecture, tasks in not_registered()}
    except HarnessError:
        return {}
