"""Ordinary feeds continue from a cache that the model itself computes, provoking ones do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.configs.feeds import FeedKind, seed_of
from harness.evidence.cell_files import Source
from harness.evidence.evidence import Evidence
from harness.evidence.example import Example
from harness.evidence.own_past import LONGEST, with_own_past
from harness.evidence.sides import PartEvidence

KEY = "past_key_values.0.key"


@pytest.fixture
def part(subject: Callable[..., Any]) -> PartEvidence:
    one = subject("gpt2", "text-generation-with-past")
    return Evidence(model=one.model, config=one.config, source=Source()).parts[0]


def _example(kind: FeedKind, past: int) -> Example:
    sizes = {"batch_size": 2, "past_sequence_length": past, "sequence_length": 3}
    return Example.of(sizes, seed_of(kind, 5))


def test_the_past_of_an_ordinary_feed_is_the_cache_of_plain_tokens(part: PartEvidence) -> None:
    example = _example(FeedKind.ORDINARY, 7)
    sizes = {**example.axes, "past_sequence_length": 0, "sequence_length": 7}
    prompt = part.config.generate_dummy_inputs(seed=example.seed, **sizes)
    present = part.eager(prompt)["present.0.key"]
    assert torch.equal(part.feed(example)[KEY], torch.from_numpy(present))


def test_a_long_past_repeats_a_computed_one() -> None:
    feed = {KEY: torch.zeros(1, 2, 2 * LONGEST - 3, 4)}
    values = torch.randn(1, 2, LONGEST, 4)
    long = with_own_past(feed, {"present.0.key": values.numpy()})[KEY]
    assert torch.equal(long[:, :, :LONGEST], values)
    assert torch.equal(long[:, :, LONGEST:], values[:, :, : LONGEST - 3])


@pytest.mark.parametrize(
    ("kind", "past"), [(FeedKind.PROVOKING, 7), (FeedKind.REACHING, 7), (FeedKind.ORDINARY, 0)]
)
def test_other_feeds_are_as_drawn(kind: FeedKind, past: int, part: PartEvidence) -> None:
    example = _example(kind, past)
    drawn = part.config.generate_dummy_inputs(seed=example.seed, **example.axes)
    assert all(torch.equal(value, drawn[name]) for name, value in part.feed(example).items())
