"""The proposal for the inputs of a model, and feeds drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.configs.placeholders import Placeholder
from harness.configs.value_kinds import Drawing, draw_values
from harness.errors import UsageError
from harness.inference.feeds.proposed_input import ProposedInput

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedFeed:
    """The inputs of a model, and how they are drawn.

    `export_sizes` has a size for each axis name, at which eager accepts the feed. `omitted` says
    of each input that is left out why it is. `special` are ids that are not drawn as ordinary
    tokens. Tokens come first among the inputs, since others follow their placeholders.
    """

    inputs: Mapping[str, ProposedInput]
    export_sizes: Mapping[str, int]
    omitted: Mapping[str, str] = field(default_factory=dict)
    placeholders: tuple[Placeholder, ...] = ()
    special: frozenset[int] = frozenset()

    @property
    def labels(self) -> tuple[str, ...]:
        """The axis names, sorted: the keys of `export_sizes`."""
        return tuple(sorted(self.export_sizes))

    def draw(self, sizes: Mapping[str, int], *, seed: int) -> dict[str, torch.Tensor]:
        """Return a feed at these sizes of all axis names, the same for a seed.

        Masks show everything. Raises UsageError if a text is too short for its placeholders.
        """
        missing = sorted(set(self.labels) - set(sizes))
        if missing:
            raise UsageError(f"feed: no size of {missing[0]}; give one for each of its axis names")
        drawing = self.drawing(sizes, seed=seed)
        for name, one in self.inputs.items():
            drawing.drawn[name] = draw_values(drawing, one.drawn(sizes))
        return drawing.drawn

    def drawing(self, sizes: Mapping[str, int], *, seed: int) -> Drawing:
        """Return an empty feed of these sizes, to draw values for."""
        import torch

        return Drawing(
            generator=torch.Generator().manual_seed(seed),
            sizes=sizes,
            placeholders=self.placeholders,
            special=self.special,
        )
