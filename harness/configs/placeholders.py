"""Tokens of a text that stand for features of an image, a video or a sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.configs.axes import AxisExpression, AxisSizes
from harness.errors import UsageError

if TYPE_CHECKING:
    import torch

MODALITIES: Mapping[str, int] = {"image": 1, "video": 2, "audio": 3}
"""The number of each modality in `mm_token_type_ids`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """Tokens that stand for features of another modality: `count` in each row.

    `count` is an expression over axis names, or a number.
    """

    modality: str
    token: int
    count: str

    def number(self, sizes: AxisSizes) -> int:
        """Return how many of these tokens a row has at these sizes of axis names."""
        return AxisExpression.parse(self.count).evaluate(sizes)


def with_placeholders(
    ids: torch.Tensor,
    placeholders: Sequence[Placeholder],
    sizes: AxisSizes,
    *,
    scattered_by: torch.Generator | None = None,
) -> torch.Tensor:
    """Return ids with the placeholders of each modality after the first token of a row.

    A generator scatters them over the row instead. Raises UsageError if a row is too short for
    them and one more token.
    """
    import torch

    length, total = ids.shape[-1], sum(one.number(sizes) for one in placeholders)
    if placeholders and length <= total:
        raise UsageError(
            f"feed: {length} tokens do not hold {total} placeholders; give a longer sequence_length"
        )
    order = torch.arange(1, total + 1).expand(*ids.shape[:-1], total)
    if scattered_by is not None:
        order = torch.rand(ids.shape, generator=scattered_by).argsort(dim=-1)[..., :total]
    start, placed = 0, ids.clone()
    for one in placeholders:
        places = order[..., start : start + one.number(sizes)]
        placed.scatter_(-1, places, one.token)
        start += one.number(sizes)
    return placed


def modalities_of(ids: torch.Tensor, placeholders: Sequence[Placeholder]) -> torch.Tensor:
    """Return the number of the modality that each token stands for, 0 for text."""
    import torch

    found = torch.zeros_like(ids)
    for one in placeholders:
        found[ids == one.token] = MODALITIES[one.modality]
    return found
