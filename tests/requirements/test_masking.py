"""A fully masked row defines outputs only if redrawing can change its ids."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from harness.evidence.example import Example
from harness.requirements._masking import PATTERNS, PaddedFeed, padded_feed

HIDDEN_THROUGHOUT = [row for row in range(2 * len(PATTERNS)) if PATTERNS[row % 5] == "none"]


def _untested(config: Any, feed: PaddedFeed) -> list[int]:
    redrawn = config.redraw(feed.tensors, feed.hidden, seed=1)
    axes = config.outputs["last_hidden_state"]
    rows = feed.unchanged_hidden_rows(redrawn, config.inputs, axes, rank=3)
    return [row for row in range(len(rows)) if rows[row].all()]


def test_a_hidden_row_of_special_ids_is_not_redrawn_and_defines_nothing(
    subject: Callable[..., Any],
) -> None:
    config = subject("t5", "text2text-generation-with-past").config.parts["encoder_model"]
    example = Example.of({"batch_size": 10, "encoder_sequence_length": 6}, 3)
    feed = padded_feed(config, "attention_mask", example)
    assert _untested(config, feed) == []
    special = torch.full_like(feed.tensors["input_ids"], config.config.eos_token_id)
    unmoved = dataclasses.replace(feed, tensors={**feed.tensors, "input_ids": special})
    assert _untested(config, unmoved) == HIDDEN_THROUGHOUT
