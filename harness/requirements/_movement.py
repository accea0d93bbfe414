"""Movements of outputs when an input changes, on examples of sufficient size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.evidence.example import Example
from harness.requirements.shared.requirement import Examined

if TYPE_CHECKING:
    import numpy as np

    from harness.configs.base import OnnxConfig
    from harness.evidence.sides import Sides
    from harness.evidence.tolerance import Tolerance

REACTION_FACTOR = 100.0
"""The reference reacts to an input if it moves by at least this many times atol. Such a movement
cannot be a difference that atol allows."""

_MAX_ATTEMPTS = 8
_MAX_ATTEMPTS_OF_LARGE_MODEL = 2
_SEED_STEP = 1_000_003
_SEED_COUNT = 1 << 31


def movement(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return |after - before| in float64.

    It is infinite where only one value is NaN or infinite, or where the infinities differ.
    """
    import numpy as np

    first, second = before.astype(np.float64), after.astype(np.float64)
    with np.errstate(invalid="ignore"):
        plain = np.abs(second - first)
    if np.isfinite(plain).all():
        return plain
    is_same = (first == second) | (np.isnan(first) & np.isnan(second))
    moved = np.where(is_same, 0.0, plain)
    return np.nan_to_num(moved, nan=np.inf, posinf=np.inf)


def no_reaction(
    moves: Mapping[str, float], tolerance: Tolerance, *, when: str, fault: str
) -> str | None:
    """Return why a fault would have passed if no output moves by 100 x its atol; None if one does.

    `moves` maps outputs to their largest movement; `when` says where and by what change.
    """
    most = max(moves, key=lambda name: tolerance.ratio(name, moves[name]), default="")
    moved, least = moves.get(most, 0.0), REACTION_FACTOR * tolerance.for_output(most)
    if moved >= least:
        return None
    return (
        f"the reference moves by at most {moved:.3g} {when}, {REACTION_FACTOR:g} x atol is "
        f"{least:.3g}, so {fault} would have passed"
    )


def enlarged(config: OnnxConfig, example: Example, least: Mapping[str, int]) -> Example:
    """Return the example with every axis of `config` enlarged to at least its size in `least`.

    Sizes stay within the limits of the model.
    """
    space = config.axis_space
    sizes = {
        name: max(size, least.get(name, 0)) for name, size in example.sizes if name in space.ranges
    }
    return Example.of(space.fit(sizes), example.seed)


def reseeded(example: Example, step: int) -> Example:
    """Return an example of the same sizes with other values."""
    return dataclasses.replace(example, seed=(example.seed + step * _SEED_STEP) % _SEED_COUNT)


def examine_until_decided(
    sides: Sides, example: Example, examine: Callable[[Example], Examined]
) -> Iterator[Examined]:
    """Yield results of an example, with new values each time, until every input shows an effect.

    The effect of an input can depend on the values: a model that pools the first token gives the
    same output for many masks. Ends earlier at the first finding, or after 8 attempts (2 if the
    model is large).
    """
    attempts = _MAX_ATTEMPTS_OF_LARGE_MODEL if sides.subject.copies.is_large else _MAX_ATTEMPTS
    for attempt in range(attempts):
        examined = examine(reseeded(example, attempt))
        yield examined
        if examined.findings or not any(examined.doubts.values()):
            return


def merge(parts: Iterable[Examined]) -> Examined:
    """Merge results into one. A claim stays in doubt only if no result could have refuted it."""
    seen = list(parts)
    doubts: dict[str, str | None] = {}
    for examined in seen:
        for claim, doubt in examined.doubts.items():
            doubts[claim] = doubt and doubts.get(claim, doubt)
    return Examined(
        findings=tuple(finding for examined in seen for finding in examined.findings),
        measures=tuple(measure for examined in seen for measure in examined.measures),
        doubts=doubts,
    )
