"""Tolerances: a number, or a number for each task; stated in a class or stored in a file."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path

from harness.configs.plugins import find_fixture
from harness.configs.task_table import base_task
from harness.errors import UsageError
from harness.files import read_json

ATOL = "atol"
"""The key of `fixtures/models/A.json` that maps tasks of this tiny model to tolerances."""

LEAST_ATOL = 1e-5
"""A tolerance up to this is allowed without a measurement, and none that is measured is less."""

Atol = float | Mapping[str, float]
"""One number, or a mapping task -> number, in absolute units of the outputs."""


def atol_of_task(atol: Atol | None, task: str) -> float | None:
    """Return the entry of a task; a `-with-past` task falls back to its base. None if there is no
    entry."""
    if not isinstance(atol, Mapping):
        return atol
    entries = (atol[name] for name in (task, base_task(task)) if name in atol)
    return next(entries, None)


def stored_atol(model: str, task: str) -> float | None:
    """Return the tolerance that the file of a tiny model stores; None if it stores none.

    `model` is the name of the file. A variant's file may leave out what its architecture's has:
    `harness.evidence.fixtures.read_fixture` joins them.
    """
    path = find_fixture(f"models/{model}.json")
    if path is None:
        return None
    return atol_of_task(_stored_in(path, path.stat().st_mtime_ns), task)


@functools.cache  # descriptions of parts are made often
def _stored_in(path: Path, changed: int) -> Atol | None:
    stored: Atol | None = read_json(path).get(ATOL)
    return stored


def given_atol(atol: Atol, task: str) -> float:
    """Return the tolerance that a caller gives for a task.

    Raises UsageError unless it is a finite number of at least 0.
    """
    found = atol_of_task(atol, task)
    if found is None:
        raise UsageError(f"atol: got a mapping without an entry for {task}, expected one; add it")
    if not (math.isfinite(found) and found >= 0):
        raise UsageError(f"atol {found!r}: expected a finite number of at least 0")
    return found
