"""How far outputs move when an input changes, on examples that are large enough to tell."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.evidence.sides import Example
from harness.requirements._base import Examined

if TYPE_CHECKING:
    import numpy as np

    from harness.configs.base import OnnxConfig

REACTION = 100.0
"""What moves the reference by so many times atol cannot be mistaken for what atol forgives."""

_ATTEMPTS = 8
_NEXT_SEED = 1_000_003
_SEEDS = 1 << 31


def movement(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """|after - before| in float64; infinite where one of them alone is NaN or infinite."""
    import numpy as np

    first, second = before.astype(np.float64), after.astype(np.float64)
    with np.errstate(invalid="ignore"):
        plain = np.abs(second - first)
    if np.isfinite(plain).all():
        return plain
    is_same = (first == second) | (np.isnan(first) & np.isnan(second))
    moved = np.where(is_same, 0.0, plain)
    return np.nan_to_num(moved, nan=np.inf, posinf=np.inf)


def grown(config: OnnxConfig, example: Example, least: Mapping[str, int]) -> Example:
    """`example` on the axes of `config`, none below its `least`, as far as the model reaches."""
    space = config.axis_space
    sizes = {
        name: max(size, least.get(name, 0)) for name, size in example.sizes if name in space.ranges
    }
    return Example.of(space.fit(sizes), example.seed)


def reseeded(example: Example, step: int) -> Example:
    """The same sizes with other values."""
    return dataclasses.replace(example, seed=(example.seed + step * _NEXT_SEED) % _SEEDS)


def until_sure(example: Example, examine: Callable[[Example], Examined]) -> Iterator[Examined]:
    """Examine an example, and the same sizes with other values for as long as it leaves doubts.

    An input need not matter to all values: what is pooled at the first token ignores a mask.
    """
    for attempt in range(_ATTEMPTS):
        examined = examine(reseeded(example, attempt))
        yield examined
        if examined.findings or not any(examined.doubts.values()):
            return


def merged(parts: Iterable[Examined]) -> Examined:
    """All of them as one, in which a claim is doubted if none of them could have refuted it."""
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
