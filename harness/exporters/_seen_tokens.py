"""Where the inputs of a file say how many tokens came before a step.

The keys of a layer that keeps its window do not say it: they are cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from harness.configs.axes import AxisExpression
from harness.configs.cache_layout import CacheKind
from harness.errors import DescriptionError

if TYPE_CHECKING:
    import torch

    from harness.configs.base import OnnxConfig

Place = tuple[str, int]
"""An input, and the index of one of its axes."""


@dataclass(frozen=True, slots=True)
class SeenTokens:
    """The size of one place, less the size of another if the first includes the step."""

    total: Place
    step: Place | None = None

    @classmethod
    def found_in(cls, config: OnnxConfig) -> Self | None:
        """Return the places in the inputs; None if no layer with a window continues from a past.

        Raises DescriptionError if no input says it.
        """
        layers = {entry.layer: None for entry in config.cache if entry.kind is CacheKind.WINDOW}
        if not layers or not config.use_past_in_inputs:
            return None
        places: dict[AxisExpression, Place] = {}
        for name, axes in config.inputs.items():
            for axis, text in axes.items():
                places.setdefault(AxisExpression.parse(text), (name, axis))
        past, step = AxisExpression.parse(config.past_axis), AxisExpression.parse(config.STEP_AXIS)
        both = AxisExpression.parse(f"{past.text} + {step.text}")
        if past in places:
            return cls(places[past])
        if both in places and step in places:
            return cls(places[both], places[step])
        raise DescriptionError(
            f"{type(config).__name__}: layers {', '.join(map(str, layers))} of the cache keep a "
            "window alone, and no input says how many tokens came before; declare an input with "
            f"the axis {past.text!r} or {both.text!r}, such as attention_mask"
        )

    @property
    def places(self) -> tuple[Place, ...]:
        """The places; the sizes of all but the first are subtracted."""
        return (self.total,) if self.step is None else (self.total, self.step)

    def count(self, named: Mapping[str, torch.Tensor]) -> Any:
        """Return the number of earlier tokens, as a size that traces follow."""
        total, *others = (named[name].shape[axis] for name, axis in self.places)
        return total - sum(others) if others else total
