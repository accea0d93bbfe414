"""Turn an attempt at a feed into a proposal: forms become inputs, names of sizes become sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from harness.configs.axes import AxisExpression
from harness.configs.placeholders import Placeholder
from harness.configs.value_kinds import KINDS
from harness.inference.configuration.settings import is_size
from harness.inference.feeds.configured_sizes import ConfiguredSizes
from harness.inference.feeds.feed_plan import FeedPlan, Subject
from harness.inference.feeds.input_forms import TEXTS
from harness.inference.feeds.proposed_feed import ProposedFeed
from harness.inference.feeds.proposed_input import ProposedInput
from harness.inference.stops import InferenceStopped, Stop

LENGTH = "sequence_length"
_FIRST_PLAIN = 3
"""Ids below are mostly special."""
_CHOICES = "num_choices"


def assemble(subject: Subject, plan: FeedPlan) -> ProposedFeed:
    """Return the feed of an attempt; raises InferenceStopped for an input without a form."""
    sizes = subject.sizes(plan)
    inputs = {name: _input(subject, sizes, name, form) for name, form in _ordered(plan)}
    placeholders = tuple(
        Placeholder(modality=modality, token=token, count=str(count))
        for modality, count in plan.tokens.items()
        if (token := subject.placeholder(modality)) is not None
    )
    extra = sum(plan.tokens.values()) if "input_ids" in inputs else 0
    known = {**plan.sizes, LENGTH: plan.sizes[LENGTH] + extra}
    names = {name for one in inputs.values() for name in _labels(one)}
    return ProposedFeed(
        inputs=inputs,
        export_sizes={name: known.get(name, 3) for name in sorted(names)},
        placeholders=placeholders,
        special=sizes.special_ids,
    )


def _ordered(plan: FeedPlan) -> list[tuple[str, int]]:
    """Return the inputs, tokens first: other inputs follow their placeholders."""
    return sorted(plan.forms.items(), key=lambda item: item[0] != "input_ids")


def _labels(one: ProposedInput) -> set[str]:
    texts = [axis for axis in one.axes if isinstance(axis, str)]
    names = {name for text in texts for name in AxisExpression.parse(text).names}
    return names | set(KINDS[one.kind].follows or ())


def _input(subject: Subject, sizes: ConfiguredSizes, name: str, form: int) -> ProposedInput:
    forms = subject.inputs.forms(name)
    if form >= len(forms):
        raise InferenceStopped(Stop.INPUT, name)
    kind, _, axes = forms[form].partition(": ")
    parts = axes.split(", ")
    if subject.has_choices and name in TEXTS:
        parts.insert(1, _CHOICES)
    low, high = _RANGES.get(kind, _no_range)(subject, sizes)
    return ProposedInput(
        axes=tuple(_axis(part, subject, sizes) for part in parts),
        kind=kind,
        low=low,
        high=high,
    )


def _axis(text: str, subject: Subject, sizes: ConfiguredSizes) -> str | int:
    """Return a number, or a text without sizes of the configuration.

    A name that only the documentation has is a setting of the configuration if there is one.
    """
    text = re.sub(r"@(\w+)", lambda match: str(sizes[match[1]]), text)
    if text.isdigit():
        return int(text)
    setting = sizes.setting((text,)) if text.isidentifier() else None
    return setting if is_size(setting) and text not in _NAMES else text


_NAMES = frozenset(
    {
        *("batch_size", "sequence_length", "decoder_sequence_length", "series_length"),
        *("height", "width", "grid_height", "grid_width", "num_images"),
        *("num_frames", "num_samples", "num_choices", "num_points", "num_boxes", "num_classes"),
    }
)
"""Axis names; a setting of the same name does not fix them."""

Range = Callable[[Subject, ConfiguredSizes], tuple[int, int]]


def _no_range(subject: Subject, sizes: ConfiguredSizes) -> tuple[int, int]:
    return 0, 1


def vocabulary(subject: Subject, sizes: ConfiguredSizes) -> tuple[int, int]:
    """Return the first ordinary id and the number of ids that the model embeds."""
    from torch import nn

    size = sizes.stated(("vocab_size", "text_vocab_size"), ("text", "decoder"), 128)
    try:
        embedding = subject.model.get_input_embeddings()
    except Exception:  # models without tokens raise many kinds
        embedding = None
    if isinstance(embedding, nn.Embedding):
        size = min(size, embedding.num_embeddings) if size > 1 else embedding.num_embeddings
    return min(_FIRST_PLAIN, size - 1), size


def _decoder_ids(subject: Subject, sizes: ConfiguredSizes) -> tuple[int, int]:
    size = min(sizes["decoder_vocabulary"], vocabulary(subject, sizes)[1] or 1 << 30)
    return min(_FIRST_PLAIN, size - 1), size


def _codes(subject: Subject, sizes: ConfiguredSizes) -> tuple[int, int]:
    return 0, sizes["codebook"] - 1


def _types(subject: Subject, sizes: ConfiguredSizes) -> tuple[int, int]:
    several = sizes.setting(("type_vocab_sizes",))
    return 0, min(several) if several else max(1, sizes["types"])


_RANGES: Mapping[str, Range] = {
    "ids": vocabulary,
    "plain-ids": vocabulary,
    "decoder-ids": _decoder_ids,
    "integers": _codes,
    "types": _types,
    "corners": lambda subject, sizes: (0, sizes["corners"]),
    "points": lambda subject, sizes: (0, sizes["image"]),
    "box-points": lambda subject, sizes: (0, sizes["image"]),
}
