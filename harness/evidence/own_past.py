"""The past of ordinary feeds: keys and values that eager PyTorch itself computes.

A trained model that continues from random keys and values rounds a hundred times more than users
see, so that no tolerance fits both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.configs.cache_layout import is_past, present_name

if TYPE_CHECKING:
    import torch

    from harness.configs.base import OnnxConfig
    from harness.evidence.example import Example
    from harness.evidence.reference import Arrays

LONGEST = 64
"""Most tokens that are computed; a longer past repeats them, since a longer call costs more."""


def tokens_before(config: OnnxConfig, example: Example) -> dict[str, int] | None:
    """Return the sizes of a call that computes the past of an example; None if none can."""
    past = example.axes.get(config.past_axis, 0)
    ranges = config.axis_space.ranges
    cached = {present_name(name) for name in config.inputs if is_past(name)}
    can_start = config.past_axis in ranges and ranges[config.past_axis].low == 0
    if not past or not can_start or not cached or not cached <= set(config.outputs):
        return None
    known = {name: size for name, size in example.sizes if name in ranges}
    return {**known, config.past_axis: 0, config.STEP_AXIS: min(past, LONGEST)}


def with_own_past(feed: Mapping[str, torch.Tensor], outputs: Arrays) -> dict[str, torch.Tensor]:
    """Return a feed whose past is the cache in `outputs`, repeated along each axis to its size."""
    import torch

    known = dict(feed)
    for name in filter(is_past, feed):
        value = torch.from_numpy(outputs[present_name(name)])
        for axis, size in enumerate(feed[name].shape):
            repeats = -(-size // max(1, value.shape[axis]))
            value = torch.cat([value] * repeats, dim=axis).narrow(axis, 0, size)
        known[name] = value.contiguous()
    return known
