"""Padded feeds: rows of every pattern, or padded at the end alone if the model admits no other."""

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


def test_a_mask_that_hides_only_ends_has_no_other_rows(subject: Callable[..., Any]) -> None:
    one = subject("bert", "fill-mask").config

    class EndsOnly(type(one)):  # type: ignore[misc]
        @property
        def end_masks(self) -> dict[str, int]:
            return {"attention_mask": 5}

    config = EndsOnly(one.config, task="fill-mask")
    feed = padded_feed(
        config, "attention_mask", Example.of(dict.fromkeys(config.axis_space.ranges, 1), 3)
    )
    mask = feed.tensors["attention_mask"]
    assert mask.shape == (4, 9)
    assert feed.patterns == ("ones", "right")
    assert (mask.diff(dim=1) <= 0).all()
    shown = mask.sum(dim=1).tolist()
    assert shown[::2] == [9, 9]
    assert all(5 <= count < 9 for count in shown[1::2])


def test_rows_of_a_product_of_axes_are_the_places_of_its_factors(
    subject: Callable[..., Any],
) -> None:
    config = subject("owlvit", "zero-shot-object-detection").config
    sizes = {"batch_size": 4, "num_queries": 3, "sequence_length": 6}
    feed = padded_feed(config, "attention_mask", Example.of(sizes, 3))
    queries = feed.example.axes["num_queries"]
    rows = feed.rows("ones", config.outputs["logits"], 3)
    assert rows.shape == (feed.example.axes["batch_size"], 1, queries)
    of_texts = feed.tensors["attention_mask"].all(dim=1).reshape(-1, queries).numpy()
    assert (rows[:, 0] == of_texts).all()
    assert not feed.rows("ones", config.outputs["pred_boxes"], 3).any(), "has no rows of texts"
