"""`sensitivity`: the file reacts to each of its inputs, as eager PyTorch does.

A file that ignores an input can agree by accident: if the model reacts by less than atol, or if the
drawn values happen to be the values that the file assumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import RuntimeRefusalError
from harness.evidence.reference import EagerError
from harness.evidence.session import CandidateError
from harness.requirements._movement import (
    REACTION_FACTOR,
    enlarged,
    examine_until_decided,
    merge,
    movement,
    no_reaction,
    reseeded,
)
from harness.requirements.shared.blame import blame_by_execution
from harness.requirements.shared.requirement import Examined, Finding, Requirement

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.configs.base import OnnxConfig
    from harness.configs.feeds import Feed
    from harness.evidence.example import Example
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Sides
    from harness.evidence.tolerance import Tolerance

_LEAST_SIZE = 4
"""Least size of every axis: for a single token, attention and masks have no effect."""

_LEAST_SHARE = 0.5
"""Share of the reference's movement that the file must reach.

If both sides agree within atol, their movements differ by at most 2 x atol, which is 2 % of the
smallest reaction.
"""


def _enlarged(config: OnnxConfig, example: Example) -> Example:
    return enlarged(config, example, dict.fromkeys(example.axes, _LEAST_SIZE))


def examine_sides(sides: Sides, example: Example, tolerance: Tolerance) -> Examined:
    """Redraw one input after the other, and compare how far the outputs move on both sides."""
    large = _enlarged(sides.config, example)
    return merge(
        examined
        for name in sides.config.inputs
        for examined in examine_until_decided(
            sides, large, partial(_examine_input, sides, name, tolerance)
        )
    )


@dataclass(frozen=True, slots=True)
class _Expected:
    """The reaction of eager PyTorch when one input is redrawn.

    `reacting` maps each output that reacts to its movement. `doubt` is the reason why a file that
    ignores the input would have passed. `feed` is None if the input could not be tested.
    """

    feed: Feed | None
    reacting: Mapping[str, float]
    doubt: str | None


def _examine_input(sides: Sides, name: str, tolerance: Tolerance, example: Example) -> Examined:
    expected = sides.fact(
        ("sensitivity", name, example, tolerance), lambda: _expect(sides, name, tolerance, example)
    )
    if expected.feed is None:
        return Examined(doubts={name: expected.doubt})
    try:
        findings = _findings(sides, name, example, expected.feed, expected.reacting)
    except CandidateError as error:
        message = f"ONNX Runtime: got {error} when {name} is redrawn, expected it to run"
        findings = [Finding(message=message, part=sides.stem, error=RuntimeRefusalError)]
    return Examined(tuple(findings), doubts={name: expected.doubt})


def _expect(sides: Sides, name: str, tolerance: Tolerance, example: Example) -> _Expected:
    """Compute the expected reaction from eager PyTorch alone."""
    feed = sides.feed(example)
    again = reseeded(example, -1)
    other = sides.config.exchange(feed, sides.feed(again), name, seed=again.seed)
    if other[name].equal(feed[name]):
        return _Expected(None, {}, f"{name} has the same values in every example")
    try:
        before, after = sides.reference(example), sides.eager(other)
    except EagerError as error:
        return _Expected(None, {}, f"eager PyTorch: got {error} when {name} is redrawn")
    doubt = _doubt(name, before, after, feed[name], tolerance)
    moves = _movements(before, after)
    reacting = {n: m for n, m in moves.items() if tolerance.ratio(n, m) >= REACTION_FACTOR}
    return _Expected({n: tensor.numpy() for n, tensor in other.items()}, reacting, doubt)


def _movements(before: Arrays, after: Arrays) -> dict[str, float]:
    """Return the largest movement of each output."""
    return {
        name: float(movement(before[name], after[name]).max(initial=0.0))
        for name in before.keys() & after.keys()
    }


def _doubt(
    name: str, before: Arrays, after: Arrays, drawn: torch.Tensor, tolerance: Tolerance
) -> str | None:
    """Return why a file that ignores the input would have passed, or None.

    Outputs that contain the input, as a cache contains the past, do not count: they also move in a
    file that uses the input for nothing else.
    """
    moves = _movements(before, after)
    counted = {n: m for n, m in moves.items() if not _starts_with(before[n], drawn.numpy())}
    return no_reaction(
        counted, tolerance, when=f"when {name} is redrawn", fault=f"a file that ignores {name}"
    )


def _starts_with(output: np.ndarray[Any, Any], value: np.ndarray[Any, Any]) -> bool:
    """Whether an output starts with the values of an input on every axis."""
    if output.ndim != value.ndim:
        return False
    start = output[tuple(slice(0, size) for size in value.shape)]
    return start.shape == value.shape and bool((start == value).all())


def _findings(
    sides: Sides, name: str, example: Example, feed: Feed, reacting: Mapping[str, float]
) -> list[Finding]:
    """Find outputs that react in the reference and move by less than half of that in the file."""
    moves = _movements(sides.candidate(example), sides.run(feed))
    shares = {output: moves.get(output, 0.0) for output in reacting}
    return [
        Finding(
            message=f"{output}: got a movement of {moved:.3g} when {name} alone is redrawn "
            f"({example}), expected {reacting[output]:.3g} as in eager PyTorch",
            part=sides.stem,
        )
        for output, moved in shares.items()
        if moved < _LEAST_SHARE * reacting[output]
    ]


REQUIREMENT = Requirement(
    id="sensitivity",
    rank=90,
    proves="the file reacts to each of its inputs as eager PyTorch does",
    fails_when="an output moves by less than half of its movement in eager PyTorch when one input "
    "is redrawn; inconclusive if eager PyTorch moves by less than 100 x atol",
    sizes=lambda config, example: _enlarged(config, example).axes,
    sample=12,
    examine_example=examine_sides,
    examine_together=examine_sides,
    explain=blame_by_execution,
)
