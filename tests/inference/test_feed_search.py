"""A feed is found from the class of a model and its errors; inputs that move nothing are named."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch

from harness import UsageError
from harness.inference.configuration.tiny_configuration import tiny_configurations
from harness.inference.feeds.eager_calls import call
from harness.inference.feeds.feed_search import inert_inputs, propose_feed
from harness.inference.feeds.proposed_feed import ProposedFeed
from harness.inference.running_proposal import RunningProposal, propose


@functools.cache
def _found(model_type: str, task: str) -> tuple[Any, ProposedFeed]:
    """Return a tiny model and its feed, from the first plan."""
    tiny = next(tiny_configurations(model_type, task))
    model = tiny.build()
    return model, propose_feed(model, task)


@functools.cache
def _proposed(model_type: str, task: str) -> RunningProposal:
    return propose(model_type, task)


def test_a_text_has_as_many_placeholders_as_its_image_has_features() -> None:
    model, feed = _found("idefics3", "image-text-to-text")
    (placeholder,) = feed.placeholders
    ids = feed.draw(feed.export_sizes, seed=0)["input_ids"]
    counts = (ids == model.config.image_token_id).sum(dim=-1)
    assert placeholder.token == model.config.image_token_id
    assert set(counts.tolist()) == {4}
    assert placeholder.count == "4 * num_images"


def test_other_lengths_keep_the_placeholders_and_too_short_ones_are_refused() -> None:
    model, feed = _found("idefics3", "image-text-to-text")
    longer = {**feed.export_sizes, "sequence_length": feed.export_sizes["sequence_length"] + 3}
    assert call(model, feed.draw(longer, seed=1))["logits"].shape[1] == longer["sequence_length"]
    with pytest.raises(UsageError, match="2 tokens do not hold 4 placeholders"):
        feed.draw({**feed.export_sizes, "sequence_length": 2}, seed=1)


def test_placeholders_follow_the_sizes_of_images() -> None:
    proposal = _proposed("qwen2_5_vl", "image-text-to-text")
    feed = proposal.feed
    assert {one.count for one in feed.placeholders} == {"(grid_height * grid_width) // 4"}
    sizes = {"grid_height": 8, "grid_width": 2, "batch_size": 3, "sequence_length": 12}
    tensors = feed.draw(sizes, seed=0)
    assert call(proposal.tiny.build(), tensors)["logits"].shape[:2] == (3, 12)


def test_positions_are_fed_in_place_of_the_modalities_that_they_follow_from() -> None:
    feed = _proposed("qwen2_5_vl", "image-text-to-text").feed
    assert feed.inputs["position_ids"].axes == (3, "batch_size", "sequence_length")
    assert "mm_token_type_ids" not in feed.inputs
    assert "moves no output beside position_ids" in feed.omitted["mm_token_type_ids"]


def test_a_feed_follows_its_seed_and_its_sizes() -> None:
    _, feed = _found("idefics3", "image-text-to-text")
    sizes = {**feed.export_sizes, "batch_size": 3}
    first, again, other = (feed.draw(sizes, seed=seed) for seed in (5, 5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["pixel_values"], other["pixel_values"])
    assert {tensor.shape[0] for tensor in first.values()} == {3}
    with pytest.raises(UsageError, match="no size of batch_size"):
        feed.draw({name: 2 for name in feed.labels if name != "batch_size"}, seed=0)


def test_alternatives_of_inputs_are_left_out_with_the_reason() -> None:
    _, feed = _found("idefics3", "image-text-to-text")
    assert feed.omitted["inputs_embeds"] == "is taken instead of input_ids"
    assert {"input_ids", "pixel_values"} <= feed.inputs.keys()
    assert not feed.inputs["attention_mask"].needed


def test_a_mask_over_sound_has_the_axis_of_its_samples() -> None:
    model, feed = _found("hubert", "automatic-speech-recognition")
    assert feed.inputs["attention_mask"].axes == feed.inputs["input_values"].axes
    assert feed.labels == ("batch_size", "num_samples")
    assert inert_inputs(model, feed) == {}


def test_an_input_that_moves_no_output_is_left_out_and_an_inert_one_is_named() -> None:
    tiny = next(tiny_configurations("bert", "fill-mask"))
    model = tiny.build()
    reacting = propose_feed(model, "fill-mask")
    assert "token_type_ids" in reacting.inputs
    assert inert_inputs(model, reacting) == {}
    with torch.no_grad():
        model.bert.embeddings.token_type_embeddings.weight.zero_()
    assert set(inert_inputs(model, reacting)) == {"token_type_ids"}
    assert "moves no output" in propose_feed(model, "fill-mask").omitted["token_type_ids"]


def test_random_numbers_of_a_model_do_not_hide_what_moves_it() -> None:
    """VITS adds noise to what it speaks, also in eval mode."""
    proposal = _proposed("vits", "text-to-audio")
    assert proposal.inert == {}
    assert any("two calls differ" in question for question in proposal.tiny.questions)


def test_an_input_that_hides_another_is_left_out() -> None:
    """A mask of ones over the frames of HuBERT replaces all of them."""
    _, feed = _found("hubert", "feature-extraction")
    assert feed.omitted["mask_time_indices"] == "input_values moves no output beside it"


def test_a_mask_that_is_accepted_only_while_it_hides_nothing_is_left_out() -> None:
    """Attention drops masks of ones, so that their shape does not matter."""
    _, feed = _found("audio-spectrogram-transformer", "audio-classification")
    refusal = feed.omitted["attention_mask"]
    assert refusal.startswith("eager refuses it: a mask that hides something: RuntimeError")
    assert list(feed.inputs) == ["input_values"]


def test_an_input_that_chooses_what_is_predicted_is_not_fed() -> None:
    """XLNet's `target_mapping` has an axis of its own, which logits have in place of the tokens."""
    _, feed = _found("xlnet", "token-classification")
    assert list(feed.inputs) == ["input_ids", "attention_mask"]


def test_inputs_of_towers_that_the_message_calls_absent_are_left_out() -> None:
    """By default, EmbeddingGemma 2 has neither images nor sounds."""
    _, feed = _found("embedding_gemma2", "feature-extraction")
    assert {"input_ids", "pixel_values", "input_features"} & feed.inputs.keys() == {"input_ids"}
    assert feed.placeholders == ()


def test_frames_of_a_sound_move_to_where_its_mask_has_them() -> None:
    """The documentation of Qwen2.5-Omni gives the frames before their features."""
    proposal = _proposed("qwen2_5_omni_thinker", "image-text-to-text")
    assert {"input_ids", "pixel_values", "pixel_values_videos"} <= proposal.feed.inputs.keys()
    assert proposal.feed.omitted["input_features"] == "moves no output (0)"


def test_choices_are_an_axis_of_texts() -> None:
    _, feed = _found("bert", "multiple-choice")
    assert feed.inputs["input_ids"].axes == ("batch_size", "num_choices", "sequence_length")


def test_a_series_has_the_history_that_its_configuration_states() -> None:
    proposal = _proposed("patchtsmixer", "time-series-regression")
    context = proposal.tiny.build().config.context_length
    assert proposal.feed.inputs["past_values"].axes[:2] == ("batch_size", context)
    assert proposal.inert == {}


def test_widths_of_towers_that_do_not_fit_are_repaired_after_the_error() -> None:
    """By default, images of Qwen2.5-VL have another width than its text."""
    proposal = _proposed("qwen2_5_vl", "image-text-to-text")
    config = proposal.tiny.build().config
    assert config.vision_config.out_hidden_size == config.text_config.hidden_size
    assert any("out_hidden_size" in repair for repair in proposal.tiny.repairs)
    assert proposal.feed.inputs["image_grid_thw"].axes == ("batch_size", 3)
    assert "grid_height" in proposal.feed.labels
    assert proposal.tiny.missing == ()
    assert proposal.inert == {}
