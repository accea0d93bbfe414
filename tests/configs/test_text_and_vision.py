"""Dual encoders: each input follows the nested configuration of its modality."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from transformers import BertConfig, CLIPConfig, LlamaConfig

from harness import CLIPOnnxConfig, NormalizedTextAndVisionConfig, NormalizedTextConfig
from harness.configs.axis_space import _EXPORT_SIZES_OF_OTHER_AXES, AXIS_RANGES
from harness.evidence.reference import call_reference

DUAL_TASKS = ("feature-extraction", "zero-shot-image-classification")
SIZES = {"text_batch_size": 24, "image_batch_size": 2, "sequence_length": 20}


@pytest.fixture
def config() -> CLIPConfig:
    return CLIPConfig(
        text_config={"vocab_size": 50, "hidden_size": 16, "max_position_embeddings": 9},
        vision_config={"hidden_size": 24, "image_size": 8, "num_channels": 2},
    )


def test_each_nested_configuration_is_normalized(config: CLIPConfig) -> None:
    normalized = NormalizedTextAndVisionConfig(config)
    assert (normalized.text_config.hidden_size, normalized.vision_config.hidden_size) == (16, 24)
    assert normalized.text_config.max_positions == 9
    assert normalized.vision_config.image_height_width == (8, 8)


def test_a_setting_of_both_sides_is_not_read_from_the_whole(config: CLIPConfig) -> None:
    with pytest.raises(AttributeError, match=r"clip.*hidden_size"):
        NormalizedTextAndVisionConfig(config).hidden_size  # noqa: B018 (reading it is the test)


def test_nested_configurations_may_have_other_names() -> None:
    class Nested:
        words = BertConfig(vocab_size=77)

    named = NormalizedTextAndVisionConfig.with_args(text_config="words")
    assert named(Nested()).of_modality("text").vocab_size == 77


def test_a_configuration_without_a_nested_one_says_which_name_to_map() -> None:
    with pytest.raises(AttributeError, match=r"bert.*'vision_config'.*with_args"):
        NormalizedTextAndVisionConfig(BertConfig()).of_modality("vision")


def test_a_configuration_without_nested_ones_serves_every_modality() -> None:
    normalized = NormalizedTextConfig(BertConfig())
    assert normalized.of_modality("text") is normalized.of_modality("") is normalized


def test_a_modality_that_is_not_nested_follows_the_whole(config: CLIPConfig) -> None:
    normalized = NormalizedTextAndVisionConfig(config)
    assert normalized.of_modality("") is normalized


def test_texts_follow_the_text_config_and_pixels_the_vision_config(config: CLIPConfig) -> None:
    feed = CLIPOnnxConfig(config).generate_dummy_inputs(**{**SIZES, "sequence_length": 9})
    assert feed["pixel_values"].shape == (2, 2, 8, 8)
    assert feed["input_ids"].shape == (24, 9)
    assert int(feed["input_ids"].max()) == 49


def test_texts_are_as_long_as_the_table_of_positions(config: CLIPConfig) -> None:
    space = CLIPOnnxConfig(config).axis_space
    assert max(corner["sequence_length"] for corner in space.corners()) == 9


@pytest.mark.parametrize("task", DUAL_TASKS)
def test_rows_have_no_one_or_many_end_tokens(task: str, subject: Callable[..., Any]) -> None:
    one = subject("clip", task)
    ids = one.config.generate_dummy_inputs(**SIZES)["input_ids"]
    ends = (ids == one.model.config.text_config.eos_token_id).sum(dim=1)
    assert {0, 1} < set(ends.tolist())


@pytest.mark.parametrize("task", DUAL_TASKS)
def test_texts_and_images_have_separate_batches(task: str, subject: Callable[..., Any]) -> None:
    one = subject("clip", task)
    outputs = call_reference(one.model, one.config, one.config.generate_dummy_inputs(**SIZES))
    for name, axes in one.config.outputs.items():
        assert {axis: outputs[name].shape[axis] for axis in axes} == _sizes(axes)


def test_the_two_tasks_pool_texts_in_the_two_ways_of_transformers(
    subject: Callable[..., Any],
) -> None:
    """One pools at the first end token and ignores later tokens, the other at the largest id."""
    ids = torch.tensor([[3, 57, 112, 2, 9]])
    rest = {"pixel_values": torch.zeros(1, 3, 12, 12), "attention_mask": torch.ones_like(ids)}
    moved = []
    for task in DUAL_TASKS:
        one = subject("clip", task)
        first, second = (
            call_reference(one.model, one.config, {"input_ids": given, **rest})["text_embeds"]
            for given in (ids, torch.where(ids == 112, 111, ids))
        )
        moved.append(float(abs(first - second).max()))
    assert moved[0] < 1e-5
    assert moved[1] > 0.1


def test_export_sizes_differ_between_all_axes_of_the_table() -> None:
    sizes = [axis.export for axis in AXIS_RANGES.values()] + list(_EXPORT_SIZES_OF_OTHER_AXES)
    assert len(set(sizes)) == len(sizes)
    assert min(sizes) >= 2


def _sizes(axes: Mapping[int, str]) -> dict[int, int]:
    return {axis: SIZES[name] for axis, name in axes.items()}


def test_of_widths_that_differ_by_layer_the_largest_counts() -> None:
    layers = {0: {"head_dim": 8, "num_key_value_heads": 4}, 1: {"head_dim": 16}}
    normalized = NormalizedTextConfig(
        LlamaConfig(num_key_value_heads=2, num_hidden_layers=3, head_dim=6, per_layer_config=layers)
    )
    assert (normalized.head_dim, normalized.num_key_value_heads) == (16, 4)
