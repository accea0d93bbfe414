"""How a configuration is shrunk: plans that are tried in order until a model builds and runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Widths(Enum):
    """How the widths of tensors are chosen. Widths with equal defaults stay equal."""

    DISTINCT = "widths with different defaults are different multiples of 16"
    SCALED = "all widths are divided by one power of two"
    UNIFORM = "all widths are equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The sizes of a tiny model.

    `layers` is the least number of layers; a layer of each kind stays in any case. With
    `adds_kinds`, kinds of layers are added that the source names and the default configuration has
    no layer of. `keeps_stages` leaves lists of widths as they are. `is_grouped` gives two heads a
    common key and value, `is_windowed` makes windows and blocks 4 long.
    """

    widths: Widths = Widths.DISTINCT
    hidden: int = 64
    feed_forward: int = 96
    heads: int = 4
    layers: int = 2
    adds_kinds: bool = True
    image: int | None = None
    is_grouped: bool = True
    is_windowed: bool = True
    keeps_stages: bool = False

    @property
    def vocabulary(self) -> int:
        """The size of vocabularies, unlike all widths."""
        return 131 if self.widths is Widths.DISTINCT else 128

    def __str__(self) -> str:
        parts = [self.widths.value, f"at least {self.layers} layers, at most {self.heads} heads"]
        if self.widths is not Widths.DISTINCT:
            parts.append(f"hidden size about {self.hidden}")
        if self.adds_kinds:
            parts.append("kinds of layers that only the source names added")
        if self.image is not None:
            parts.append(f"images of {self.image} pixels")
        if self.keeps_stages:
            parts.append("lists of widths as in the default configuration")
        return "; ".join(parts)


_LOOSE = Plan(adds_kinds=False, is_grouped=False, is_windowed=False)

LADDER: tuple[Plan, ...] = (
    Plan(),
    Plan(adds_kinds=False),
    _LOOSE,
    replace(_LOOSE, heads=2),
    replace(_LOOSE, widths=Widths.SCALED),
    replace(_LOOSE, widths=Widths.UNIFORM),
    replace(_LOOSE, widths=Widths.UNIFORM, hidden=32, feed_forward=64, heads=2),
    replace(_LOOSE, widths=Widths.UNIFORM, heads=8),
    replace(_LOOSE, widths=Widths.UNIFORM, image=128),
    replace(_LOOSE, widths=Widths.UNIFORM, keeps_stages=True),
    replace(_LOOSE, widths=Widths.UNIFORM, hidden=128, feed_forward=128, layers=4),
)
"""The plans in order: the most provoking first, then plans that keep more of the defaults."""
