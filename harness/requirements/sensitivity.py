"""`sensitivity`: the file reacts to each of its inputs, as eager PyTorch does.

Files that ignore an input are the ones that agree by accident: where a model hardly reacts, so that
the difference stays within atol, or where what is drawn happens to be what the file assumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import RuntimeRefusalError
from harness.evidence.session import CandidateError
from harness.evidence.sides import EagerError
from harness.requirements._base import Examined, Finding, Requirement
from harness.requirements._blame import by_execution
from harness.requirements._movement import (
    REACTION,
    grown,
    merged,
    movement,
    reseeded,
    until_sure,
)

if TYPE_CHECKING:
    import numpy as np
    import torch

    from harness.configs.base import Feed
    from harness.evidence.reference import Arrays
    from harness.evidence.sides import Example, Sides

_LEAST_SIZE = 4
"""Of every axis, since a single token has nothing to attend to, nor a mask anything to hide."""

_SHARE = 0.5
"""Of the reference's movement, that the file has to show. Two sides within atol of each other move
alike up to 2 x atol, which is 2 % of a reaction: half lies far from that and from no reaction."""


def examine_sides(sides: Sides, example: Example, atol: float) -> Examined:
    """Redraw one input after the other and see which outputs move, on both sides."""
    large = grown(sides.config, example, dict.fromkeys(example.axes, _LEAST_SIZE))
    return merged(
        examined
        for name in sides.config.inputs
        for examined in until_sure(large, partial(_examine_input, sides, name, atol))
    )


@dataclass(frozen=True, slots=True)
class _Expected:
    """What eager PyTorch gives when one input is redrawn: by how much the outputs move that react
    to it, and why a file that ignores it would have passed. No `feed` where eager says nothing."""

    feed: Feed | None
    reacting: Mapping[str, float]
    doubt: str | None


def _examine_input(sides: Sides, name: str, atol: float, example: Example) -> Examined:
    expected = sides.fact(
        ("sensitivity", name, example, atol), lambda: _expect(sides, name, atol, example)
    )
    if expected.feed is None:
        return Examined(doubts={name: expected.doubt})
    try:
        findings = _findings(sides, name, example, expected.feed, expected.reacting)
    except CandidateError as error:
        message = f"ONNX Runtime: got {error} when {name} is redrawn, expected it to run"
        findings = [Finding(message=message, part=sides.stem, error=RuntimeRefusalError)]
    return Examined(tuple(findings), doubts={name: expected.doubt})


def _expect(sides: Sides, name: str, atol: float, example: Example) -> _Expected:
    """What follows from eager alone."""
    feed = sides.feed(example)
    other = {**feed, name: sides.feed(reseeded(example, -1))[name]}
    if other[name].equal(feed[name]):
        return _Expected(None, {}, f"{name} has the same values in every example")
    try:
        before, after = sides.reference(example), sides.eager(other)
    except EagerError as error:
        return _Expected(None, {}, f"eager PyTorch: got {error} when {name} is redrawn")
    doubt = _doubt(name, before, after, feed[name], atol)
    reacting = {n: m for n, m in _moves(before, after).items() if m >= REACTION * atol}
    return _Expected({n: tensor.numpy() for n, tensor in other.items()}, reacting, doubt)


def _moves(before: Arrays, after: Arrays) -> dict[str, float]:
    """How far each output moves, at the most of its entries."""
    return {
        name: float(movement(before[name], after[name]).max(initial=0.0))
        for name in before.keys() & after.keys()
    }


def _doubt(
    name: str, before: Arrays, after: Arrays, drawn: torch.Tensor, atol: float
) -> str | None:
    """Why a file that ignores an input would have passed. An output that holds the input itself,
    as a cache holds the past, moves with it in a file that makes nothing of it."""
    moves = _moves(before, after)
    most = max((moves[n] for n in moves if not _holds(before[n], drawn.numpy())), default=0.0)
    if most >= REACTION * atol:
        return None
    return (
        f"the reference moves by at most {most:.3g} when {name} is redrawn, {REACTION:g} x atol is "
        f"{REACTION * atol:.3g}, so a file that ignores {name} would have passed"
    )


def _holds(output: np.ndarray[Any, Any], value: np.ndarray[Any, Any]) -> bool:
    """Whether an output starts with the values of an input on every axis."""
    if output.ndim != value.ndim:
        return False
    start = output[tuple(slice(0, size) for size in value.shape)]
    return start.shape == value.shape and bool((start == value).all())


def _findings(
    sides: Sides, name: str, example: Example, feed: Feed, reacting: Mapping[str, float]
) -> list[Finding]:
    """Outputs that react in the reference and hardly in the file."""
    moves = _moves(sides.candidate(example), sides.run(feed))
    shares = {output: moves.get(output, 0.0) for output in reacting}
    return [
        Finding(
            message=f"{output}: got a movement of {moved:.3g} when {name} alone is redrawn "
            f"({example}), expected {reacting[output]:.3g} as of eager PyTorch",
            part=sides.stem,
        )
        for output, moved in shares.items()
        if moved < _SHARE * reacting[output]
    ]


REQUIREMENT = Requirement(
    id="sensitivity",
    rank=90,
    proves="the file reacts to each of its inputs as eager PyTorch does",
    fails_when="an output moves by less than half of what it moves in eager PyTorch when one input "
    "is redrawn; inconclusive where eager does not move by 100 x atol",
    sample=30,
    examine_example=examine_sides,
    examine_together=examine_sides,
    explain=by_execution,
)
