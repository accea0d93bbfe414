"""How a description runs its decoder step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from transformers import GPT2Config, T5Config

from harness import BertOnnxConfig, GPT2OnnxConfig, T5OnnxConfig
from harness.configs.decoding import empty_past, half_then_single, slice_tokens, token_count
from harness.errors import DescriptionError

GPT2 = GPT2Config(n_embd=12, n_layer=2, n_head=3, n_positions=32)
TASK = "text-generation-with-past"
LENGTH = 5


class FakeRun:
    """Runs no file: logits repeat the tokens, a cache has as many keys as the mask."""

    def __init__(self, config: GPT2OnnxConfig) -> None:
        self.config = config
        self.feeds: list[dict[str, Any]] = []

    def __call__(self, stem: str, feed: Any) -> dict[str, Any]:
        assert stem == "model"
        assert set(feed) == set(self.config.inputs)
        self.feeds.append(dict(feed))
        keys = np.full((2, 3, feed["attention_mask"].shape[1], 4), len(self.feeds))
        named = dict.fromkeys(self.config.outputs, keys)
        return {**named, "logits": feed["input_ids"][..., None]}


@pytest.fixture
def described() -> GPT2OnnxConfig:
    return GPT2OnnxConfig(GPT2, task=TASK)


@pytest.fixture
def feed(described: GPT2OnnxConfig) -> dict[str, Any]:
    """Five tokens, and a past of three tokens that decoding ignores."""
    drawn = described.generate_dummy_inputs(
        batch_size=2, sequence_length=LENGTH, past_sequence_length=3
    )
    return {name: tensor.numpy() for name, tensor in drawn.items()}


@pytest.mark.parametrize(("ends", "past"), [(None, [0, 3, 4]), ((1, 3, 5), [0, 1, 3])])
def test_a_decoder_of_one_file_continues_from_its_returned_cache(
    ends: tuple[int, ...] | None, past: list[int], described: GPT2OnnxConfig, feed: dict[str, Any]
) -> None:
    run = FakeRun(described)
    together = described.compose(feed, run, ends)
    for number, (step, start) in enumerate(zip(run.feeds, past, strict=True)):
        end = [*past[1:], LENGTH][number]
        np.testing.assert_array_equal(step["input_ids"], feed["input_ids"][:, start:end])
        np.testing.assert_array_equal(step["position_ids"], feed["position_ids"][:, start:end])
        np.testing.assert_array_equal(step["attention_mask"], feed["attention_mask"][:, :end])
        for name in (name for name in step if name.startswith("past")):
            assert step[name].shape[2] == start
            assert (step[name] == number).all()
    np.testing.assert_array_equal(together["logits"][..., 0], feed["input_ids"])
    assert together["present.1.value"].shape[2] == LENGTH
    assert (together["present.1.value"] == len(past)).all()


def test_without_a_past_all_tokens_are_one_step(feed: dict[str, Any]) -> None:
    plain = GPT2OnnxConfig(GPT2, task="text-generation")
    run = FakeRun(plain)
    plain.compose({name: feed[name] for name in plain.inputs}, run)
    assert len(run.feeds) == 1


def test_tensors_are_sliced_like_arrays(described: GPT2OnnxConfig) -> None:
    feed = described.generate_dummy_inputs(sequence_length=4, past_sequence_length=2)
    step = slice_tokens(described, feed, start=1, end=3)
    assert {name: tensor.shape[1] for name, tensor in step.items()} == {
        "input_ids": 2,
        "attention_mask": 3,
        "position_ids": 2,
    }
    assert {tensor.shape[2] for tensor in empty_past(described, feed).values()} == {0}


@pytest.mark.parametrize(
    ("length", "ends"), [(1, (1,)), (2, (1, 2)), (5, (3, 4, 5)), (6, (3, 4, 5, 6))]
)
def test_steps_take_half_of_the_tokens_and_then_single_ones(
    length: int, ends: tuple[int, ...]
) -> None:
    assert half_then_single(length) == ends


def test_a_prompt_has_only_inputs_that_generation_does_not_make(
    described: GPT2OnnxConfig,
) -> None:
    whole = T5OnnxConfig(T5Config(d_model=12), task="text2text-generation-with-past")
    assert described.prompt_inputs == whole.prompt_inputs == ("input_ids", "attention_mask")


def test_a_description_without_a_token_axis_is_an_error() -> None:
    class Renamed(BertOnnxConfig):
        STEP_AXIS = "number_of_tokens"

    config = Renamed(GPT2, task="fill-mask")
    with pytest.raises(DescriptionError, match="no input has the axis 'number_of_tokens'"):
        token_count(config, {})
