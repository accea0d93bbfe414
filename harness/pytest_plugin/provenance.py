"""Makes the header of a run: versions, platform, profile, seed, plan, requirements."""

from __future__ import annotations

import platform
from collections.abc import Container, Iterable
from datetime import UTC, datetime

from harness.configs.unregistered import not_registered
from harness.errors import HarnessError
from harness.matrix.registry import modalities
from harness.pytest_plugin.context import RunContext
from harness.records import CellId, Header, Meaning
from harness.requirements import ladder
from harness.versions import versions


def make_header(context: RunContext, cells: Iterable[CellId]) -> Header:
    """Make the header of a run that judges `cells` on their planned requirements."""
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
        shard=context.run_plan.shard,
        not_registered=_not_registered(),
    )


def now() -> str:
    """Return the current time as in run files: ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def meanings(planned: Container[str]) -> dict[str, Meaning]:
    """Return the meanings of planned requirements, in ladder order.

    They are written to the run file because reports do not import the requirements.
    """
    return {
        requirement.id: Meaning(proves=requirement.proves, fails_when=requirement.fails_when)
        for requirement in ladder()
        if requirement.id in planned
    }


def _not_registered() -> dict[str, list[str]]:
    """Return unregistered architectures and their tasks.

    Empty if the mappings of transformers cannot be read: this must not end a run.
    """
    try:
        return {architecture: tasks for _, architecture, tasks in not_registered()}
    except HarnessError:
        return {}
