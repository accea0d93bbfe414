"""Which sizes or ranks a feed must have: read from the messages of eager."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from harness.inference.failures import Failure
from harness.inference.feeds.feed_assembly import assemble
from harness.inference.feeds.feed_plan import FeedPlan, Subject
from harness.inference.stops import InferenceStopped

_IMAGE = re.compile(
    r"[Ii]nput (?:image )?(?:height|size)[^0-9]*\(?(\d+)\*?(?:, )?(\d+)?\)?.{0,60}?"
    r"(?:match|than).{0,20}?\(?(\d+)(?:\*|, )?(\d+)?"
)
_MULTIPLE = re.compile(r"multiple of (?:`[^`]*` )?\(?(\d+)")
_POOLED = re.compile(r"k=(\d+)\^2")
_LENGTH = re.compile(r"of length (\d+)")
_PRODUCT = re.compile(r"\((\d+)x(\d+) and (\d+)x(\d+)\)")
_VIEW = re.compile(r"shape '\[-1, ([\d, ]+)\]' is invalid")
_KERNEL = re.compile(r"weight of size \[\d+, (\d+), \d+, \d+\], expected input\[\d+, (\d+),")
_SPLIT = re.compile(r"split_with_sizes expects .*?got split_sizes=\[(\d+)(?:, \1)*\]")
_RANKS = (
    (re.compile(r"not enough values to unpack \(expected (\d)"), 0),
    (re.compile(r"too many values to unpack \(expected (\d)"), 0),
    (re.compile(r"range of \[-\d, \d\], but got (\d)\)"), 1),
    (re.compile(r"[Ee]xpected (\d)D"), 0),
    (re.compile(r"(\d)D tensor of shape"), 0),
)
_MASKED = re.compile(r"shape of the mask \[[\d, ]+\] at index \d+ does not match")
_TOO_SMALL = re.compile(
    r"Kernel size can't be greater|Calculated padded input size|Output size is too small"
    r"|non-positive|Expected more than 1 value"
)
_SOUNDS = ("input_features", "input_values", "audio_mel")
_MAIN = ("pixel_values", "input_features", "input_values", "hidden_states", "pixel_values_videos")
_LARGEST_MEL = 1024


def image_sizes(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield the attempt with the image size that a message asks for."""
    match = _IMAGE.search(failure.text)
    if match:
        yield plan.with_sizes(height=int(match[3]), width=int(match[4] or match[3]))


def lengths(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield attempts with lengths that a message asks for."""
    if match := _MULTIPLE.search(failure.text):
        size = int(match[1])
        yield plan.with_sizes(num_samples=2 * size)
        yield from _with_frames(subject, plan, 2 * size)
        yield plan.with_sizes(height=2 * size, width=3 * size)
        yield plan.with_sizes(sequence_length=2 * size)
    if match := _LENGTH.search(failure.text):
        yield from _with_frames(subject, plan, int(match[1]))
    if match := _POOLED.search(failure.text):
        yield plan.with_sizes(grid_height=2 * int(match[1]), grid_width=2 * int(match[1]))
    if _TOO_SMALL.search(failure.text):
        for samples in (8000, 24000):
            yield plan.with_sizes(num_samples=max(samples, plan.sizes["num_samples"]))
        for frames in (192, 400):
            yield plan.with_sizes(num_frames=max(frames, plan.sizes["num_frames"]))
        for side in (128, 224):
            yield plan.with_sizes(height=side, width=side)


def masked_axes(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield attempts with the frames of a sound at another place, after a mask that does not fit.

    The documentation of some models gives another order than `forward` reads.
    """
    if _MASKED.search(failure.text):
        yield from _with_frames(subject, plan, plan.sizes["num_frames"])


def _with_frames(subject: Subject, plan: FeedPlan, frames: int) -> Iterator[FeedPlan]:
    """Yield the attempt with this many frames, then with their axis at another place."""
    longer = plan.with_sizes(num_frames=frames)
    yield longer
    for name in (name for name in _SOUNDS if name in plan.forms):
        yield from (longer.with_form(name, f) for f in range(len(subject.inputs.forms(name))))


def mel_bins(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield attempts with the number of features of a frame that the weights have."""
    if not any(name in plan.forms for name in _SOUNDS):
        return
    mel = subject.sizes(plan)["mel"]
    for pattern in (
        rf"\(\d+x{mel} and (\d+)x\d+\)",
        rf"tensor a \({mel}\) must match the size of tensor b \((\d+)\)",
        r"normalized_shape=\[(\d+)\]",
        rf"weight of size \[\d+, (\d+), \d+\], expected input\[\d+, {mel}, \d+\]",
    ):
        if match := re.search(pattern, failure.text):
            yield plan.with_given(mel=int(match[1]))
    match = _PRODUCT.search(failure.text)
    if match and mel * int(match[3]) % int(match[2]) == 0:
        other = mel * int(match[3]) // int(match[2])
        if mel != other <= _LARGEST_MEL:
            yield plan.with_given(mel=other)


def channels(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield the attempt with the channels that the first kernel has."""
    match = _KERNEL.search(failure.text)
    if match and int(match[2]) == subject.sizes(plan)["channels"] and int(match[1]) <= 6:
        yield plan.with_given(channels=int(match[1]))


def patch_values(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield the attempt with as many values in a patch as the weights take."""
    if "hidden_states" not in plan.forms and plan.forms.get("pixel_values") not in {3, 5}:
        return
    size = 0
    if match := _VIEW.search(failure.text):
        size = math.prod(int(part) for part in match[1].split(","))
    elif match := _PRODUCT.search(failure.text):
        size = int(match[3])
    if size:
        yield plan.with_given(patch_values=size, plain_patch_values=size)


def ranks(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield attempts with main inputs that have as many dimensions as a message asks for."""
    wanted = next((int(m[1]) + n for p, n in _RANKS if (m := p.search(failure.text))), None)
    if wanted is None:
        return
    if "5D tensor of shape (batch_size, 2" in failure.text:
        yield plan.with_form("pixel_values", 1).with_sizes(num_images=2)
    for name in (name for name in _MAIN if name in plan.forms):
        for form in range(len(subject.inputs.forms(name))):
            other = plan.with_form(name, form)
            if form != plan.forms[name] and _rank(subject, other, name) == wanted:
                yield other


def split_images(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield the attempt with as many images in a row as the model splits them into."""
    match = _SPLIT.search(failure.text)
    if match and "image_sizes" in plan.forms:
        yield plan.with_form("pixel_values", 1).with_sizes(num_images=int(match[1]))


def _rank(subject: Subject, plan: FeedPlan, name: str) -> int:
    try:
        return len(assemble(subject, plan).inputs[name].axes)
    except InferenceStopped:
        return 0
