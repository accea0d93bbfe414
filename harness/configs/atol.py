"""Tolerances: one number, or a number for each task."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.configs.task_table import base_task
from harness.errors import UsageError

Atol = float | Mapping[str, float]
"""One number, or a mapping task -> number, in absolute units of the outputs."""


def atol_of_task(atol: Atol, task: str) -> float | None:
    """Return the entry of a task; a `-with-past` task falls back to its base. None if there is no
    entry."""
    if not isinstance(atol, Mapping):
        return atol
    entries = (atol[name] for name in (task, base_task(task)) if name in atol)
    return next(entries, None)


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
