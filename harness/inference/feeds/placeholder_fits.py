"""How many placeholder tokens a text needs at other sizes: measured at a few, then a formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.configs.axes import AxisExpression
from harness.inference.feeds.feed_plan import FeedPlan, Subject
from harness.inference.feeds.input_forms import MODALITY_OF_INPUT
from harness.inference.feeds.proposed_feed import ProposedFeed

Measure = Callable[[FeedPlan], Mapping[str, int] | None]
"""Returns the placeholders of each modality with which eager accepts an attempt; None if none."""

_PIXELS = ("height", "width")
_SCALED = (*_PIXELS, "grid_height", "grid_width", "num_images", "num_frames", "num_samples")
_MOST_MERGED = 8


def with_fitted_counts(
    subject: Subject, plan: FeedPlan, feed: ProposedFeed, measure: Measure
) -> ProposedFeed:
    """Return a feed whose placeholders are counted by expressions over axis names.

    A count that no expression explains stays the number at the export sizes.
    """
    fitted = []
    for placeholder in feed.placeholders:
        names = _names(feed, placeholder.modality)
        measured = {name: measure(_doubled(plan, (name,))) for name in names}
        count = int(placeholder.count)
        growing = [n for n in names if _count(measured[n], placeholder.modality) == 2 * count]
        text = _expression(subject, plan.sizes, growing, count)
        both = _doubled(plan, tuple(growing))
        is_right = bool(growing) and _agrees(text, both, measure(both), placeholder.modality)
        fitted.append(replace(placeholder, count=text) if is_right else placeholder)
    return replace(feed, placeholders=tuple(fitted))


def _names(feed: ProposedFeed, modality: str) -> list[str]:
    """Return the axis names of the inputs of a modality that may decide its features."""
    inputs = [name for name, one in MODALITY_OF_INPUT.items() if one == modality]
    texts = [str(axis) for name in inputs if name in feed.inputs for axis in feed.inputs[name].axes]
    known = {name for text in texts for name in AxisExpression.parse(text).names}
    return [name for name in _SCALED if name in known]


def _doubled(plan: FeedPlan, names: tuple[str, ...]) -> FeedPlan:
    return plan.with_sizes(**{name: 2 * plan.sizes[name] for name in names})


def _count(measured: Mapping[str, int] | None, modality: str) -> int | None:
    return None if measured is None else measured.get(modality)


def _agrees(text: str, plan: FeedPlan, measured: Mapping[str, int] | None, modality: str) -> bool:
    count = _count(measured, modality)
    return count is not None and AxisExpression.parse(text).evaluate(plan.sizes) == count


def _expression(subject: Subject, sizes: Mapping[str, int], names: list[str], count: int) -> str:
    """Return the product of these axes, divided so that it is `count` at these sizes.

    Height and width are divided by a multiple of the size of a patch first.
    """
    parts = list(names)
    if set(_PIXELS) <= set(names) and (step := _step(subject, sizes, names, count)):
        parts = [f"({name} // {step})" if name in _PIXELS else name for name in names]
    product = " * ".join(parts)
    total = AxisExpression.parse(product).evaluate(sizes) if parts else 0
    if total == count:
        return product
    if total and count % total == 0:
        return f"{count // total} * {product}"
    return f"({product}) // {total // count}" if total and total % count == 0 else str(count)


def _step(subject: Subject, sizes: Mapping[str, int], names: list[str], count: int) -> int | None:
    """Return the pixels that become one feature along each side; None if there is no such step."""
    others = math.prod(sizes[name] for name in names if name not in _PIXELS)
    patch = subject.sizes(FeedPlan({}, {}))["patch"]
    for step in (patch * merged for merged in range(1, _MOST_MERGED + 1)):
        features = math.prod(sizes[name] // step for name in _PIXELS) * others
        if features and count == features:
            return step
    return patch
