"""Tolerances are measured: at most ten times eager's own rounding against float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from harness import OnnxConfig, TasksManager
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
    sides = {id(config): config for config in (one.config, *one.config.parts.values())}
    rounding = max(_rounding(one.model, exact, config) for config in sides.values())
    assert one.config.atol <= max(1e-5, 10 * rounding), f"rounding {rounding:.3g}"


def _rounding(model: Any, exact: Any, config: OnnxConfig) -> float:
    """max |float32 - float64| of eager over what the judge draws for this side of the model."""
    rounding = 0.0
    for example in draw_examples(config.axis_space, count=100, seed=5):
        feed = config.generate_dummy_inputs(seed=example.seed, **example.axes)
        wide = {n: t.double() if t.is_floating_point() else t for n, t in feed.items()}
        got = call_reference(model, config, feed)
        expected = call_reference(exact, config, wide)
        rounding = max(rounding, *(abs(got[n] - expected[n]).max(initial=0) for n in got))
    return rounding
