"""Tolerances are measured: at most ten times eager's own rounding against float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness import TasksManager
from harness.judge.rounding import eager_roundings, largest_allowed

PAIRS = [
    (architecture, task)
    for architecture in TasksManager.architectures()
    for task in TasksManager.get_supported_tasks_for_model_type(architecture)
]


@pytest.mark.parametrize(("architecture", "task"), PAIRS)
def test_atol_is_at_most_ten_times_the_rounding_of_the_reference(
    architecture: str, task: str, subject: Callable[..., Any]
) -> None:
    one = subject(architecture, task)
    roundings = eager_roundings(one.model, one.config)
    assert any(one.config.atol <= largest_allowed(rounding) for rounding in roundings)
