"""How a part is run in a merged decoder: the choice of the branch, and values for unused inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from harness.evidence.merged_decoder import USE_CACHE, MergedDecoder
from harness.evidence.session import CandidateError

Feed = Mapping[str, Any]

SEQ2SEQ = "text2text-generation-with-past"
CAUSAL = "text-generation-with-past"
KEY = "past_key_values.0.decoder.key"
CROSS_KEY = "past_key_values.0.encoder.key"


def run_once(merged: MergedDecoder, feed: Feed) -> dict[str, Any]:
    """Return what the whole file is fed for a feed of the part."""
    seen: dict[str, Any] = {}

    def run(whole: Feed) -> dict[str, Any]:
        seen.update(whole)
        return {name: np.zeros(1) for name in (*merged.own.outputs, *merged.other.outputs)}

    inputs = {USE_CACHE, *merged.own.inputs, *merged.other.inputs}
    assert list(merged.run_part(run, inputs)(feed)) == list(merged.own.outputs)
    return seen


def feed_of(config: Any, **axes: int) -> dict[str, Any]:
    return {name: t.numpy() for name, t in config.generate_dummy_inputs(**axes).items()}


@pytest.fixture
def decoders(subject: Callable[..., Any]) -> tuple[MergedDecoder, MergedDecoder]:
    """Return both parts of a merged T5."""
    _, first, following = subject("t5", SEQ2SEQ).config.parts.values()
    return MergedDecoder(first, following), MergedDecoder(following, first)


def test_the_first_branch_gets_a_past_that_is_not_zero_and_must_not_be_read(
    decoders: tuple[MergedDecoder, MergedDecoder],
) -> None:
    first, _ = decoders
    feed = feed_of(first.own, batch_size=2, encoder_sequence_length=6)
    seen = run_once(first, feed)
    assert seen[USE_CACHE].tolist() == [False]
    assert (seen[KEY].shape[0], seen[KEY].shape[2]) == (2, 1)
    assert (seen[CROSS_KEY].shape[0], seen[CROSS_KEY].shape[2]) == (2, 6)
    assert np.abs(seen[KEY]).min() > 0
    assert all(seen[name] is feed[name] for name in feed)


def test_the_other_branch_gets_its_past_and_unread_values_of_the_encoder(
    decoders: tuple[MergedDecoder, MergedDecoder],
) -> None:
    _, following = decoders
    feed = feed_of(following.own, batch_size=2, encoder_sequence_length=6)
    seen = run_once(following, feed)
    assert seen[USE_CACHE].tolist() == [True]
    assert seen["encoder_hidden_states"].shape[:2] == (2, 6)
    assert seen[KEY] is feed[KEY]


@pytest.mark.parametrize(("past", "length"), [(0, 1), (3, 3)])
def test_one_part_for_both_branches_uses_the_cache_if_there_is_a_past(
    past: int, length: int, subject: Callable[..., Any]
) -> None:
    config = subject("gpt2", CAUSAL).config
    seen = run_once(MergedDecoder(config, config), feed_of(config, past_sequence_length=past))
    assert seen[USE_CACHE].tolist() == [past > 0]
    assert seen["past_key_values.0.key"].shape[2] == length


def test_a_feed_may_lack_a_declared_input_that_the_file_lacks(
    subject: Callable[..., Any],
) -> None:
    config = subject("gpt2", CAUSAL).config
    feed = feed_of(config, past_sequence_length=0)
    del feed["position_ids"]
    assert "position_ids" not in run_once(MergedDecoder(config, config), feed)


def test_inputs_that_the_file_lacks_are_not_fed(
    decoders: tuple[MergedDecoder, MergedDecoder],
) -> None:
    first, _ = decoders
    feed, seen = feed_of(first.own), dict[str, Any]()
    first.run_part(lambda whole: seen.update(whole) or {}, {USE_CACHE, *feed})(feed)
    assert set(seen) == {USE_CACHE, *feed}


def test_a_past_of_impossible_sizes_is_a_refusal_of_the_file(
    decoders: tuple[MergedDecoder, MergedDecoder],
) -> None:
    _, following = decoders
    feed = {name: array[:0] for name, array in feed_of(following.own).items()}
    with pytest.raises(CandidateError, match="batch_size: size 0"):
        run_once(following, feed)
