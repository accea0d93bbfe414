"""Models that read images beside text: placeholders fit features, and parts fit together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from harness.configs.architectures.qwen2_vl import Qwen2VLImageEncoderPart, _places
from harness.configs.feeds import Feed, FeedKind, seed_of
from harness.evidence.reference import call_reference

TASK = "image-text-to-text-with-past"
ARCHITECTURES = ("llava", "qwen2_vl")

SubjectOf = Callable[[str, str], Any]


def _eager_parts(model: Any, config: Any) -> Callable[[str, Feed], Feed]:
    """Return a run of the parts in eager PyTorch."""

    def run(stem: str, feed: Feed) -> Feed:
        tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in feed.items()}
        return call_reference(model, config.parts[stem], tensors)

    return run


@pytest.mark.parametrize("kind", FeedKind)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_there_are_as_many_placeholders_as_image_features(
    subject: SubjectOf, architecture: str, kind: FeedKind
) -> None:
    one = subject(architecture, TASK)
    feed = one.config.generate_dummy_inputs(seed=seed_of(kind, 2), batch_size=3, sequence_length=2)
    images = {name: feed[name].numpy() for name in one.config.parts["vision_encoder"].inputs}
    features = _eager_parts(one.model, one.config)("vision_encoder", images)["image_features"]
    count = features.reshape(-1, features.shape[-1]).shape[0]
    assert (feed["input_ids"] == one.model.config.image_token_id).sum() == count


@pytest.mark.parametrize("kind", FeedKind)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_parts_in_eager_pytorch_are_one_call_of_the_model(
    subject: SubjectOf, architecture: str, kind: FeedKind
) -> None:
    one = subject(architecture, TASK)
    feed = one.config.generate_dummy_inputs(seed=seed_of(kind, 1), batch_size=2)
    arrays = {name: tensor.numpy() for name, tensor in feed.items()}
    whole = call_reference(one.model, one.config, feed)["logits"]
    parts = one.config.compose(arrays, _eager_parts(one.model, one.config))["logits"]
    assert whole.shape == parts.shape
    assert np.abs(whole - parts).max() < one.config.atol


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_placeholders_stay_where_tokens_are_drawn_again_or_padded(
    subject: SubjectOf, architecture: str
) -> None:
    config = subject(architecture, TASK).config
    feed = config.generate_dummy_inputs(seed=3, batch_size=4, sequence_length=30)
    everywhere = {"input_ids": torch.ones_like(feed["input_ids"], dtype=torch.bool)}
    is_placeholder = feed["input_ids"] == config.config.image_token_id
    for other in (config.redraw(feed, everywhere, seed=7), config.pad(feed, everywhere)):
        assert not torch.equal(other["input_ids"], feed["input_ids"])
        assert torch.equal(other["input_ids"] == config.config.image_token_id, is_placeholder)


def test_ordinary_positions_are_those_of_transformers(subject: SubjectOf) -> None:
    one = subject("qwen2_vl", TASK)
    seed = seed_of(FeedKind.ORDINARY, 5)
    feed = one.config.generate_dummy_inputs(seed=seed, batch_size=5, sequence_length=25)
    kinds = (feed["input_ids"] == one.model.config.image_token_id).int()
    expected, _ = one.model.model.get_rope_index(
        feed["input_ids"], mm_token_type_ids=kinds, image_grid_thw=feed["image_grid_thw"]
    )
    assert torch.equal(feed["position_ids"], expected)


def test_places_of_patches_are_those_of_transformers() -> None:
    from transformers.vision_utils import get_vision_cu_seqlens, get_vision_position_ids

    grid = torch.tensor([[2, 2, 6], [1, 4, 2], [3, 4, 4]])
    patches = int(grid.prod(dim=1).sum())
    places, frames = _places(grid, patches, 2)
    assert torch.equal(places, get_vision_position_ids(grid, 2))
    changes = (frames[1:] != frames[:-1]).any(dim=1).nonzero().flatten() + 1
    assert torch.equal(changes, get_vision_cu_seqlens(grid)[1:-1].long())


def test_a_grid_is_exchanged_for_one_of_as_many_patches(subject: SubjectOf) -> None:
    part = subject("qwen2_vl", TASK).config.parts["vision_encoder"]
    assert isinstance(part, Qwen2VLImageEncoderPart)
    feed, again = (part.generate_dummy_inputs(seed=seed, num_images=6) for seed in (0, 3))
    other = part.exchange(feed, again, "image_grid_thw", seed=3)["image_grid_thw"]
    assert not torch.equal(other, feed["image_grid_thw"])
    assert torch.equal(other.prod(dim=1), feed["image_grid_thw"].prod(dim=1))


def test_a_generated_placeholder_stands_for_itself(subject: SubjectOf) -> None:
    one = subject("llava", TASK)
    feed = one.config.generate_dummy_inputs(seed=seed_of(FeedKind.ORDINARY, 1), batch_size=2)
    arrays = {name: tensor.numpy() for name, tensor in feed.items()}
    ids = arrays["input_ids"]
    run, end = _eager_parts(one.model, one.config), one.config.least_prompt(feed)
    known = one.config.compose(arrays, run, (end, ids.shape[1]))["logits"]
    arrays["input_ids"] = np.where(
        np.arange(ids.shape[1]) < end, ids, one.config.config.image_token_id
    )
    generated = one.config.compose(arrays, run, (end, ids.shape[1]))["logits"]
    assert np.array_equal(known[:, :end], generated[:, :end])
    with pytest.raises(ValueError, match="shape mismatch"):
        one.config.compose(arrays, run, (ids.shape[1],))


def test_generation_starts_with_all_placeholders(subject: SubjectOf) -> None:
    config = subject("llava", TASK).config
    feed = config.generate_dummy_inputs(seed=seed_of(FeedKind.ORDINARY, 0))
    assert config.least_prompt(feed) == 1 + config.normalized_config.tokens_per_image
