"""Dummy inputs follow the declaration and the seed, and reach special values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness import DescriptionError, UsageError


def test_the_same_seed_gives_the_same_values(subject: Callable[..., Any]) -> None:
    config = subject("bert", "fill-mask").config
    first, again, other = (config.generate_dummy_inputs(seed=seed) for seed in (4, 4, 5))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["input_ids"], other["input_ids"])


def test_cached_values_may_be_smaller_than_keys(subject: Callable[..., Any]) -> None:
    config = subject("deepseek_v3", "text-generation-with-past").config
    feed = config.generate_dummy_inputs(batch_size=2, past_sequence_length=5, sequence_length=3)
    assert feed["past_key_values.0.key"].shape == (2, 1, 5, 12)
    assert feed["past_key_values.0.value"].shape == (2, 1, 5, 10)


def test_the_global_generator_is_neither_used_nor_changed(
    subject: Callable[..., Any],
) -> None:
    config = subject("gpt2", "text-generation-with-past").config
    torch.manual_seed(1)
    first = config.generate_dummy_inputs()
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    again = config.generate_dummy_inputs()
    assert all(torch.equal(first[name], again[name]) for name in first)
    torch.manual_seed(1)
    assert torch.equal(state, torch.random.get_rng_state())


def test_ids_reach_the_ends_of_the_vocabulary_and_the_special_ids(
    subject: Callable[..., Any],
) -> None:
    one = subject("bert", "fill-mask")
    ids = one.config.generate_dummy_inputs(batch_size=12, sequence_length=28)["input_ids"]
    assert {0, 1, one.model.config.vocab_size - 1} <= set(ids.flatten().tolist())


def test_masks_mix_ones_padding_and_holes_and_keep_the_first_position(
    subject: Callable[..., Any],
) -> None:
    config = subject("bert", "fill-mask").config
    mask = config.generate_dummy_inputs(batch_size=40, sequence_length=9)["attention_mask"]
    assert mask[:, 0].all()
    drops = mask.diff(dim=1)
    assert (mask.sum(dim=1) == 9).any()
    assert ((drops == 1).any(dim=1)).any(), "no row with a hole"
    assert ((mask.sum(dim=1) < 9) & ~(drops == 1).any(dim=1)).any(), "no row with right padding"


def test_positions_increase_with_gaps_that_differ_between_rows(
    subject: Callable[..., Any],
) -> None:
    config = subject("gpt2", "text-generation").config
    positions = config.generate_dummy_inputs(batch_size=3, sequence_length=8)["position_ids"]
    assert (positions.diff(dim=1) > 0).all()
    assert not torch.equal(positions[0], positions[1])
    assert positions.max() < 64


def test_token_types_are_mixed(subject: Callable[..., Any]) -> None:
    config = subject("bert", "fill-mask").config
    types = config.generate_dummy_inputs(batch_size=6, sequence_length=14)["token_type_ids"]
    assert set(types.flatten().tolist()) == {0, 1, 2}


def test_an_unknown_axis_is_refused(subject: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="did you mean sequence_length"):
        subject("bert", "fill-mask").config.generate_dummy_inputs(sequence=3)


def test_the_error_for_an_input_without_generator_names_the_attribute(
    subject: Callable[..., Any],
) -> None:
    class Undescribed(type(subject("bert", "fill-mask").config)):  # type: ignore[misc]
        INPUT_NAMES = ("input_ids", "bbox")

    config = Undescribed(subject("bert", "fill-mask").model.config)
    with pytest.raises(DescriptionError, match=r"bbox.*DUMMY_INPUT_GENERATOR_CLASSES"):
        config.generate_dummy_inputs()
