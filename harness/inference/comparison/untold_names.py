"""Which axis names the sizes of inputs tell, and which ones stand in products alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from harness.configs.axes import AxisExpression

if TYPE_CHECKING:
    from harness.configs.base import OnnxConfig


@dataclass(frozen=True, slots=True)
class UntoldNames:
    """The axis names that no size of an input tells, since each stands in products alone.

    `texts` are the axes that have only such names and told ones. `solved` maps other axes of
    several names to the one name that their size tells.
    """

    names: tuple[str, ...]
    texts: frozenset[str]
    solved: Mapping[str, str]

    @classmethod
    def of(cls, config: OnnxConfig) -> Self:
        """Read the axes of a description, those with the fewest unknown names first."""
        texts = {text for axes in config.inputs.values() for text in axes.values()}
        names = {text: set(AxisExpression.parse(text).names) for text in texts}
        told = {name for own in names.values() if len(own) == 1 for name in own}
        told |= config.DERIVED_AXES.keys()
        untold, products, solved = list[str](), set[str](), dict[str, str]()
        waiting = sorted(text for text, own in names.items() if len(own) > 1)
        while waiting:
            text = min(waiting, key=lambda one: len(names[one] - told))
            waiting.remove(text)
            unknown = sorted(names[text] - told)
            told |= set(unknown)
            if len(unknown) == 1:
                solved[text] = unknown[0]
                continue
            untold += unknown
            if not names[text].isdisjoint(untold):
                products.add(text)
        return cls(tuple(sorted(untold)), frozenset(products), solved)
