"""How exact eager PyTorch is itself, by which tolerances and equivalences are measured."""

from __future__ import annotations

import copy
from typing import Any

from harness import OnnxConfig
from harness.evidence.reference import call_reference
from harness.judge.examples import draw_examples

SMALLEST_LIMIT = 1e-5


def rounding(model: Any, config: OnnxConfig) -> float:
    """max |float32 - float64| of eager over what the judge draws, of the whole and of its parts."""
    exact = copy.deepcopy(model).double()
    sides = {id(side): side for side in (config, *config.parts.values())}
    return max(_rounding(model, exact, side) for side in sides.values())


def largest_honest_atol(model: Any, config: OnnxConfig) -> float:
    """Ten times the rounding, or 1e-5 where that is less."""
    return max(SMALLEST_LIMIT, 10 * rounding(model, config))


def _rounding(model: Any, exact: Any, config: OnnxConfig) -> float:
    found = 0.0
    for example in draw_examples(config.axis_space, count=100, seed=5):
        feed = config.generate_dummy_inputs(seed=example.seed, **example.axes)
        wide = {n: t.double() if t.is_floating_point() else t for n, t in feed.items()}
        got = call_reference(model, config, feed)
        expected = call_reference(exact, config, wide)
        found = max(found, *(abs(got[n] - expected[n]).max(initial=0) for n in got))
    return float(found)
