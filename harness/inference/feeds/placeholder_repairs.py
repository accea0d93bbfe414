"""How many placeholder tokens a text needs: read from the error that says it has too few."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch

from harness.inference.failures import Failure
from harness.inference.feeds.feed_plan import FeedPlan, Subject

_MISMATCH = re.compile(
    r"(image|video|audio|multimodal|placeholder)?[^:]*do(?:es)? not match[^:]*:? ?.*?"
    r"tokens:? ?\(?(\d+)\)?,? .*?features:? ?\(?(\d+)",
    re.IGNORECASE,
)
_COUNTS = re.compile(r"(\d+)\s*(?:image )?tokens?.{0,80}?(\d+)\s*(?:image )?features")
_VECTORS = re.compile(r"()(\d+) feature vectors for \d+ placeholder tokens")
_FEATURES = re.compile(r"features|hidden_states|embeds?$|embeddings$|outputs?$")
_EMBEDDED = ("inputs_embeds", "input_embeds", "hidden_states", "inputs_embeddings")
_MOST = 600


def placeholder_counts(subject: Subject, plan: FeedPlan, failure: Failure) -> Iterator[FeedPlan]:
    """Yield attempts with as many placeholders as the error or the local values say."""
    text = failure.text
    match = _MISMATCH.search(text) or _COUNTS.search(text) or _VECTORS.search(text)
    if not match or not plan.tokens:
        return
    modality = match[1].lower() if match.re is _MISMATCH and match[1] else ""
    if modality not in plan.tokens:
        modality = _named(plan, failure) or next(iter(plan.tokens))
    rows, stated = plan.sizes["batch_size"], int(match[match.re.groups])
    counts = [*_counts_of_values(failure, rows), stated // rows, stated]
    for count in dict.fromkeys(counts):
        if 0 < count < _MOST:
            yield plan.with_tokens(modality, count)


def _named(plan: FeedPlan, failure: Failure) -> str | None:
    """Return the modality that a function or a line of the traceback names."""
    texts = [f"{frame.function} {frame.line}" for frame in failure.frames]
    named = (modality for text in texts for modality in plan.tokens if modality in text)
    return next(named, None)


def _counts_of_values(failure: Failure, rows: int) -> Iterator[int]:
    """Yield the features in a row of each tensor that could be scattered into the text."""
    for frame in failure.frames:
        embedded = next((v for n in _EMBEDDED if _is_tensor(v := frame.values.get(n))), None)
        if embedded is None:
            continue
        width = int(embedded.shape[-1])
        for name, value in frame.values.items():
            if name not in _EMBEDDED and _FEATURES.search(name) and _is_tensor(value):
                yield value.numel() // width // rows


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim > 0 and value.is_floating_point()
