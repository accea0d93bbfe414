"""Batches of their own for the inputs of each tower, if eager takes other numbers of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.inference.feeds.eager_calls import call
from harness.inference.feeds.proposed_feed import ProposedFeed

_BATCH, _OF_TEXTS = "batch_size", "text_batch_size"
_TOWERS: Mapping[str, re.Pattern[str]] = {
    "video_batch_size": re.compile(r"pixel_values_videos|_videos?$"),
    "image_batch_size": re.compile(r"^(pixel|image)_"),
    "audio_batch_size": re.compile(r"^(input_features|input_values|audio|feature)(_|$)"),
}
"""Name of a batch -> names of the inputs of its tower. All others belong to texts."""


def with_own_batches(model: Any, feed: ProposedFeed, *, seed: int) -> ProposedFeed:
    """Return the feed with a batch for each tower, or as it is if eager needs equal ones.

    Dual encoders compare each text with each image.
    """
    batches = {name: _batch_of(name) for name in feed.inputs}
    names = list(dict.fromkeys(batches.values()))
    is_plain = all(one.axes[0] == _BATCH for one in feed.inputs.values())
    if len(names) < 2 or feed.placeholders or not is_plain:
        return feed
    inputs = {
        name: replace(one, axes=(batches[name], *one.axes[1:])) for name, one in feed.inputs.items()
    }
    first = feed.export_sizes[_BATCH]
    own = {name: first + place for place, name in enumerate(names)}
    others = {name: size for name, size in feed.export_sizes.items() if name != _BATCH}
    other = replace(feed, inputs=inputs, export_sizes={**others, **own})
    try:
        call(model, other.draw(other.export_sizes, seed=seed))
    except Exception:  # eager refuses feeds with many kinds of errors
        return feed
    return other


def _batch_of(name: str) -> str:
    return next((batch for batch, names in _TOWERS.items() if names.search(name)), _OF_TEXTS)
