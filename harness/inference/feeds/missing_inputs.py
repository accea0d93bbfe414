"""Which inputs a feed lacks, or must not have: read from messages and from what is None."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from harness.inference.failures import Failure
from harness.inference.feeds.feed_plan import FeedPlan, Subject
from harness.inference.feeds.input_forms import ALTERNATIVES, FORMS, NOT_FED

_TOWER = re.compile(r"get_(image|audio|video)_features")
_ABSENT = re.compile(r"without an? (?:\w+)_config")
_INPUTS_OF_TOWER: Mapping[str, tuple[str, ...]] = {
    "audio": ("input_features", "input_features_mask", "feature_attention_mask"),
    "video": ("pixel_values_videos", "video_grid_thw"),
}
_INPUTS_OF_IMAGES = ("pixel_values", "image_grid_thw", "image_position_ids", "image_sizes")
_NOT_SUSPECTED = frozenset(
    {
        "attention_mask",
        "position_ids",
        "token_type_ids",
        "inputs_embeds",
        "encoder_hidden_states",
        "decoder_attention_mask",
        "input_ids",
    }
)


def absent_towers(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield the attempt without the inputs of a tower that the configuration leaves out.

    Images are left out only if the message says so: they may lack another input instead.
    """
    is_stated = _ABSENT.search(failure.text) is not None
    towers = {**_INPUTS_OF_TOWER, "image": _INPUTS_OF_IMAGES} if is_stated else _INPUTS_OF_TOWER
    for frame in failure.frames if is_stated or failure.is_about_none else ():
        match = _TOWER.match(frame.function)
        names = towers.get(match[1], ()) if match else ()
        if match and set(names) & plan.forms.keys():
            tokens = {m: n for m, n in plan.tokens.items() if m != match[1]}
            smaller = plan.without(*names)
            if smaller.forms:
                yield FeedPlan(smaller.forms, plan.sizes, plan.given, tokens)
            return


def named_inputs(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield attempts with each input that the message names, or whose value None failed."""
    for name in dict.fromkeys([*_in_message(subject, failure), *_on_lines(subject, failure)]):
        if name not in plan.forms and subject.inputs.forms(name):
            yield plan.with_form(name)
    if "decoder" in failure.text and "decoder_input_ids" in subject.inputs.names:
        yield plan.with_form("decoder_input_ids")


def _candidates(subject: Subject) -> Iterator[str]:
    for name in subject.inputs.names:
        if name not in NOT_FED and name not in ALTERNATIVES:
            yield name


def _in_message(subject: Subject, failure: Failure) -> Iterator[str]:
    yield from (name for name in _candidates(subject) if _names(failure.text, name))


def _on_lines(subject: Subject, failure: Failure) -> Iterator[str]:
    """Yield the inputs that are None and stand on the failing lines; else all that are None."""
    if not isinstance(failure.error, AttributeError | TypeError | ValueError):
        return
    found = [
        name
        for frame in failure.frames
        for name in _candidates(subject)
        if name in frame.absent and _names(frame.line, name)
    ]
    yield from found
    if found or not failure.is_about_none:
        return
    for frame in failure.frames:
        absent = [n for n in _candidates(subject) if n in frame.absent and n in FORMS]
        suspected = [name for name in absent if name not in _NOT_SUSPECTED]
        if frame.is_model and suspected:
            yield from suspected
            return


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
