"""Tolerances are measured: at most ten times eager's own rounding against float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness import TasksManager
from harness.judge.rounding import UnmeasurableError, eager_roundings, largest_allowed

MEASURED_OTHERWISE = {
    # A mask of integers times the least float64 is taken in float32, where that is infinite, and
    # 0 times it is NaN. Measured with a mask of float64, at the places that it shows.
    ("splinter", "question-answering"): 6.7e-5,
    # Logits are capped in float32 whatever the model's precision is. Measured as they come then.
    ("beam", "text-generation"): 1.1e-5,
    ("beam", "text-generation-with-past"): 1.2e-5,
    # The least float64 is to be of float32, which refuses it. Measured with a tensor of float64.
    ("xglm", "feature-extraction"): 4.9e-6,
    ("xglm", "feature-extraction-with-past"): 7.3e-6,
    ("xglm", "text-generation"): 8.5e-6,
    ("xglm", "text-generation-with-past"): 8.8e-6,
}

PAIRS = [
    (architecture, task)
    for architecture in TasksManager.architectures()
    for task in TasksManager.get_supported_tasks_for_model_type(architecture)
]


@pytest.mark.parametrize(("architecture", "task"), sorted({*PAIRS} - {*MEASURED_OTHERWISE}))
def test_atol_is_at_most_ten_times_the_rounding_of_the_reference(
    architecture: str, task: str, subject: Callable[..., Any]
) -> None:
    one = subject(architecture, task)
    roundings = eager_roundings(one.model, one.config)
    assert any(one.config.atol <= largest_allowed(rounding) for rounding in roundings)


@pytest.mark.parametrize(("architecture", "task"), MEASURED_OTHERWISE)
def test_what_eager_cannot_give_in_float64_is_measured_otherwise(
    architecture: str, task: str, subject: Callable[..., Any]
) -> None:
    one = subject(architecture, task)
    with pytest.raises(UnmeasurableError):
        max(eager_roundings(one.model, one.config))
    assert one.config.atol <= largest_allowed(MEASURED_OTHERWISE[architecture, task])
