"""Feeds, and the kinds of dummy feeds: a seed decides the kind and the values."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Feed = Mapping[str, "np.ndarray[Any, Any]"]
"""Input or output name -> array."""

RunPart = Callable[[str, Feed], Feed]
"""Runs one part, given by its file stem, on a feed; returns its outputs."""


class FeedKind(enum.Enum):
    """How the values of a feed are chosen.

    - `PROVOKING`: values that expose defects, such as ids from the whole vocabulary, mixed token
      types, positions with gaps and masks with padding and holes. Exports use this kind.
    - `ORDINARY`: the values that users have most often, such as plain tokens, token types of zero,
      consecutive positions after the past and a mask of ones.
    - `REACHING`: as `PROVOKING`, but values end exactly at a bound of the model, such as the last
      position of a table.
    """

    PROVOKING = 0
    ORDINARY = 1
    REACHING = 2


def feed_kind(seed: int) -> FeedKind:
    """Return the kind of the feed that is drawn from a seed."""
    return FeedKind(seed % len(FeedKind))


def is_ordinary(seed: int) -> bool:
    """Whether the feed that is drawn from a seed is an ordinary one."""
    return feed_kind(seed) is FeedKind.ORDINARY


def reach_number(seed: int) -> int:
    """Return which bound a feed of kind REACHING ends at, to be taken modulo their number."""
    return seed // len(FeedKind)


def seed_of(kind: FeedKind, number: int) -> int:
    """Return the seed number `number` of a kind; its `reach_number` is `number` too."""
    return len(FeedKind) * number + kind.value
