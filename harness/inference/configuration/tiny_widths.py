"""The widths and the tokens of a tiny model: what is equal or related by default stays so."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from harness.inference.configuration.plans import Plan, Widths
from harness.inference.configuration.setting_kinds import HIDDEN_NAMES, STAGE_WIDTHS, Kind, kind_of
from harness.inference.configuration.settings import are_sizes, is_size, nodes, own_settings

LARGEST_KEPT = 24
"""Widths up to this stay as they are, unless all are divided."""
STEP = 16
_SMALLEST = 32
_MOST_TOKENS = 60
_FILTERS = re.compile(r"^(num_filters|n_filters)$")
_SPECIAL_PART = 40


@dataclass(frozen=True, slots=True)
class TinyWidths:
    """Maps widths of a default configuration to widths of a tiny model.

    `divisor` is for plans that divide, `stage_divisor` for lists of widths of stages, and
    `distinct` maps each default to a width for plans that keep defaults apart.
    """

    plan: Plan
    divisor: int
    stage_divisor: int
    distinct: Mapping[int, int]

    @classmethod
    def of(cls, config: Any, plan: Plan) -> Self:
        """Read the widths of a configuration and of all nested ones."""
        hidden = [v for name, v in _sizes(config) if name in HIDDEN_NAMES]
        widths = {v for name, v in _sizes(config) if _is_width(name) and v > LARGEST_KEPT}
        stages = [max(v) for name, v in _lists(config) if STAGE_WIDTHS.search(name)]
        target = 128 if plan.widths is Widths.SCALED else 64
        return cls(
            plan=plan,
            divisor=_power_of_two(max(hidden, default=64) / plan.hidden),
            stage_divisor=_power_of_two(max(stages, default=1) / target),
            distinct={v: _SMALLEST + STEP * i for i, v in enumerate(sorted(widths))},
        )

    def width(self, name: str, value: int) -> int:
        """Return the tiny width of a setting."""
        if _FILTERS.match(name):
            return min(value, 8)
        if self.plan.widths is Widths.SCALED:
            return _divided(value, self.divisor)
        if value <= LARGEST_KEPT:
            return value
        if self.plan.widths is Widths.DISTINCT:
            return self.distinct.get(value, value)
        if kind_of(name) is Kind.FEED_FORWARD:
            return self.plan.feed_forward
        return self.plan.hidden if value > 48 else value

    def stages(self, value: list[int], heads: list[int] | None) -> list[int]:
        """Return the tiny widths of stages, each a multiple of its number of heads."""
        if heads is not None and all(v % h == 0 for v, h in zip(value, heads, strict=True)):
            sizes = [v // h for v, h in zip(value, heads, strict=True)]
            small = [8 * max(1, round(size / min(sizes))) for size in sizes]
            return [s * h for s, h in zip(small, heads, strict=True)]
        if len(set(value)) == 1:
            return [self.width("hidden_size", value[0])] * len(value)
        return [v if v <= 16 else _divided(v, self.stage_divisor) for v in value]


def tiny_tokens(config: Any, plan: Plan) -> tuple[int, dict[int, int]]:
    """Return the size of vocabularies and the tiny ids of tokens beyond it, the largest last."""
    ids = {v for name, v in _tokens(config) if v >= plan.vocabulary - _SPECIAL_PART}
    size = plan.vocabulary if len(ids) <= _MOST_TOKENS else 2 * plan.vocabulary
    return size, {v: size - 1 - place for place, v in enumerate(sorted(ids, reverse=True))}


def _tokens(config: Any) -> Iterator[tuple[str, int]]:
    for _, node in nodes(config):
        for name, value in own_settings(node).items():
            if kind_of(name) is Kind.TOKEN:
                values = value if isinstance(value, list | tuple) else [value]
                yield from ((name, v) for v in values if is_size(v))


def _sizes(config: Any) -> Iterator[tuple[str, int]]:
    for _, node in nodes(config):
        yield from ((n, v) for n, v in own_settings(node).items() if is_size(v))


def _lists(config: Any) -> Iterator[tuple[str, list[int]]]:
    for _, node in nodes(config):
        for name, value in own_settings(node).items():
            if are_sizes(value) and len(set(value)) > 1 and max(value) > 48:
                yield name, list(value)


def _is_width(name: str) -> bool:
    return kind_of(name) in {Kind.WIDTH, Kind.FEED_FORWARD}


def _power_of_two(ratio: float) -> int:
    return 1 << round(math.log2(max(1.0, ratio)))


def _divided(value: int, divisor: int) -> int:
    """Return a width divided, a multiple of 8 unless the division is exact."""
    if value % divisor == 0 and (divisor == 1 or value // divisor >= 8):
        return value // divisor
    return max(min(value, 8), 8 * round(value / divisor / 8))
