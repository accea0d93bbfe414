"""Other values of one input of a feed, with its ties to the other inputs kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from harness.configs.value_kinds import KINDS, DrawnInput, draw_values, plain_ids
from harness.inference.feeds.proposed_feed import ProposedFeed
from harness.inference.feeds.proposed_input import ProposedInput


def redrawn(
    feed: ProposedFeed, tensors: Mapping[str, torch.Tensor], name: str
) -> torch.Tensor | None:
    """Return other values of one input, ties kept: the end of masks hidden, positions with gaps,
    other tokens around the placeholders; None if nothing else can be drawn."""
    one, tensor = feed.inputs[name], tensors[name]
    change = _same if KINDS[one.kind].stays else _CHANGES.get(one.kind, _drawn_again)
    other = change(feed, one, tensor)
    return None if torch.equal(other, tensor) else other


def _hidden_end(feed: ProposedFeed, one: ProposedInput, tensor: torch.Tensor) -> torch.Tensor:
    """Return a mask that hides the last third along each axis but the batch."""
    other = tensor.clone()
    if other.ndim == 1:
        return other
    for axis in range(1, other.ndim):
        hidden = max(1, other.shape[axis] // 3)
        if other.shape[axis] > 1:
            other.narrow(axis, other.shape[axis] - hidden, hidden).zero_()
    return other


def _hiding_end(feed: ProposedFeed, one: ProposedInput, tensor: torch.Tensor) -> torch.Tensor:
    """Return a mask of hidden places that hides the last third."""
    return ~_hidden_end(feed, one, ~tensor)


def _other_positions(feed: ProposedFeed, one: ProposedInput, tensor: torch.Tensor) -> torch.Tensor:
    return tensor + tensor // 2


def _other_ids(feed: ProposedFeed, one: ProposedInput, tensor: torch.Tensor) -> torch.Tensor:
    other = plain_ids(feed.drawing(feed.export_sizes, seed=_OTHER_SEED), _like(feed, one, tensor))
    held = torch.tensor(sorted(feed.special) or [-1])
    return torch.where(torch.isin(tensor, held), tensor, other.to(tensor.dtype))


def _drawn_again(feed: ProposedFeed, one: ProposedInput, tensor: torch.Tensor) -> torch.Tensor:
    drawing = feed.drawing(feed.export_sizes, seed=_OTHER_SEED)
    return draw_values(drawing, _like(feed, one, tensor))


def _like(feed: ProposedFeed, one: ProposedInput, tensor: torch.Tensor) -> DrawnInput:
    return one.of_shape(tuple(tensor.shape), feed.export_sizes)


def _same(feed: ProposedFeed, one: ProposedInput, tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor itself: other values would not fit the other inputs."""
    return tensor


_OTHER_SEED = 99
_CHANGES: Mapping[str, Callable[[ProposedFeed, ProposedInput, torch.Tensor], torch.Tensor]] = {
    "ids": _other_ids,
    "decoder-ids": _other_ids,
    "mask": _hidden_end,
    "booleans": _hidden_end,
    "hidden": _hiding_end,
    "ones": _hidden_end,
    "positions": _other_positions,
}
