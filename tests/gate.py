"""The gate's selection: `make test` leaves out tests marked `full`, `make test-all` runs all.

Of the tests that ask every tiny model, the gate runs a fixed sample and the architectures that a
change concerns.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness import TasksManager
from harness.errors import UsageError
from harness.matrix.changed_files import ChangedFile, changed_files
from harness.matrix.dependents import read_dependents

SAMPLE = 30
"""One pair in so many is in the fixed sample."""

full = pytest.mark.full


class Gate:
    """Which (architecture, task) pairs the gate tests, compared with a git revision.

    Without git or without that revision, the sample alone is tested.
    """

    def __init__(self, base: str, directory: Path) -> None:
        self._base = base
        self._directory = directory

    def pairs(self) -> list[Any]:
        """Return all pairs as pytest parameters; the ones that the gate leaves out are `full`."""
        return [
            pytest.param(
                architecture,
                task,
                id=f"{architecture}-{task}",
                marks=() if self._is_chosen(architecture, task) else full,
            )
            for architecture in TasksManager.architectures()
            for task in TasksManager.get_supported_tasks_for_model_type(architecture)
        ]

    def _is_chosen(self, architecture: str, task: str) -> bool:
        return is_sampled(f"{architecture}/{task}") or architecture in self.changed

    @cached_property
    def changed(self) -> frozenset[str]:
        """The architectures whose tiny model or description differs from the base revision."""
        try:
            files = self._differing()
        except UsageError:
            return frozenset()
        return architectures_of(files, TasksManager.architectures())

    def _differing(self) -> tuple[ChangedFile, ...]:
        """Compare with the base; on the base itself, with its parent."""
        subject = "--gate-base"
        files = changed_files(self._base, self._directory, subject=subject)
        return files or changed_files("HEAD~1", self._directory, subject=subject)


def is_sampled(name: str, one_in: int = SAMPLE) -> bool:
    """Whether a name is in the fixed sample; the same on every machine."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % one_in == 0


def mark_later_cases(items: Iterable[pytest.Item]) -> None:
    """Mark the cases of a test after its first ones `full`, if it is marked `gate_cases(count)`."""
    seen: Counter[str] = Counter()
    for item in items:
        marker = item.get_closest_marker("gate_cases")
        if marker is None:
            continue
        test = item.nodeid.partition("[")[0]
        if seen[test] >= marker.args[0]:
            item.add_marker(full)
        seen[test] += 1


def architectures_of(files: Iterable[ChangedFile], registered: Iterable[str]) -> frozenset[str]:
    """Return the architectures that changed tiny models and descriptions are about."""
    known = dict.fromkeys(registered)
    dependents = read_dependents(known)
    found: set[str] = set()
    for file in files:
        path = Path(file.path)
        if path.match("fixtures/models/*.json"):
            found.add(path.stem.partition("~")[0])
        elif file.path.startswith("harness/configs/") and not file.is_cosmetic:
            found.update(dependents.of(file) or ())
    return frozenset(found & set(known))
