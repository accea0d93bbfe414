"""Other attempts at a feed after an error: by rules for messages, then by trying variants."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.inference.failures import Failure
from harness.inference.feeds.feed_plan import FeedPlan, Subject
from harness.inference.feeds.missing_inputs import absent_towers, named_inputs
from harness.inference.feeds.placeholder_repairs import placeholder_counts
from harness.inference.feeds.size_repairs import (
    channels,
    image_sizes,
    lengths,
    masked_axes,
    mel_bins,
    patch_values,
    ranks,
    split_images,
)

Rule = Callable[[Subject, FeedPlan, Failure], Iterator[FeedPlan]]

RULES: tuple[Rule, ...] = (
    placeholder_counts,
    image_sizes,
    lengths,
    masked_axes,
    mel_bins,
    channels,
    patch_values,
    ranks,
    split_images,
    absent_towers,
    named_inputs,
)
"""The rules, the most specific first."""

_VARIED = ("pixel_values", "input_features", "input_values", "hidden_states")
_CODEBOOKS = ("num_codebooks", "n_codes_total")
_ADDED = (
    "attention_mask",
    "token_type_ids",
    "pixel_attention_mask",
    "pixel_mask",
    "decoder_input_ids",
    "bool_masked_pos",
    "position_ids",
    "padding_mask",
)
_SIZES: tuple[dict[str, int], ...] = (
    {"height": 64, "width": 64},
    {"height": 128, "width": 128},
    {"height": 224, "width": 224},
    {"num_frames": 64},
    {"num_frames": 200},
    {"sequence_length": 16},
    {"num_samples": 8000},
    {"grid_height": 8, "grid_width": 8},
    {"grid_height": 6, "grid_width": 6},
    {"grid_height": 4, "grid_width": 4},
)


def repaired_plans(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield the attempts that rules derive from an error."""
    for rule in RULES:
        yield from rule(subject, plan, failure)


def varied_plans(subject: Subject, plan: FeedPlan) -> Iterator[FeedPlan]:
    """Yield attempts with other forms, sizes and inputs, for errors that no rule knows."""
    if "decoder_input_ids" in plan.forms and "input_ids" in plan.forms:
        yield plan.without("decoder_input_ids")
    names = sorted(plan.forms, key=lambda n: (n not in (*subject.inputs.main, *_VARIED), n))
    for name in names:
        if name != "input_ids" or subject.sizes(plan).setting(_CODEBOOKS) is not None:
            for form in range(len(subject.inputs.forms(name))):
                yield plan.with_form(name, form)
    for sizes in _SIZES:
        yield plan.with_sizes(**sizes)
    for name in _ADDED:
        if name in subject.inputs.names and name not in plan.forms:
            yield plan.with_form(name)
