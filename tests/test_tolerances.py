"""Tolerances are measured: at most ten times eager's own rounding against float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from harness import TasksManager
from harness.evidence.reference import call_reference
from harness.judge.examples import draw_examples

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
    exact = copy.deepcopy(one.model).double()
    rounding = 0.0
    for example in draw_examples(one.config.axis_space, count=100, seed=5):
        feed = one.config.generate_dummy_inputs(seed=example.seed, **example.axes)
        wide = {n: t.double() if t.is_floating_point() else t for n, t in feed.items()}
        got = call_reference(one.model, one.config, feed)
        expected = call_reference(exact, one.config, wide)
        rounding = max(rounding, *(abs(got[n] - expected[n]).max() for n in got))
    assert one.config.atol <= max(1e-5, 10 * rounding), f"rounding {rounding:.3g}"
