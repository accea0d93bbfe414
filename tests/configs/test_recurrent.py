"""Decoders of which some layers keep a state: parts, names, sizes, and how the parts meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, Lfm2Config, MambaConfig

from harness import NormalizedTextConfig, OnnxConfig
from harness.configs.cache_layout import CacheEntry, keys_and_values, state
from harness.configs.calls import PartCall
from harness.configs.feeds import Feed
from harness.configs.recurrent import TextRecurrentDecoderOnnxConfig
from harness.evidence.models import perturb
from harness.evidence.reference import call_reference
from harness.exporters._wrapper import FlatModel

TASK = "text-generation-with-past"
CONV, ATTENTION = "conv", "full_attention"
HYBRID = Lfm2Config(
    vocab_size=107,
    hidden_size=24,
    num_hidden_layers=3,
    layer_types=[CONV, ATTENTION, CONV],
    intermediate_size=40,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    conv_L_cache=3,
    block_auto_adjust_ff_dim=False,
)
STATES_ALONE = MambaConfig(
    vocab_size=107, hidden_size=24, num_hidden_layers=2, state_size=6, time_step_rank=5
)


class _Hybrid(TextRecurrentDecoderOnnxConfig):
    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig

    @property
    def layers_cache(self) -> Iterator[CacheEntry]:
        for layer, kind in enumerate(self.config.layer_types):
            if kind == CONV:
                shape = (self.config.hidden_size, self.config.conv_L_cache)
                yield state(layer, "conv", "conv_states[0]", shape)
            else:
                yield from keys_and_values(layer, {0: "batch_size", 2: self.past_axis})


class _StatesAlone(TextRecurrentDecoderOnnxConfig):
    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig

    @property
    def call(self) -> PartCall:
        return PartCall(cache="cache_params")

    @property
    def layers_cache(self) -> Iterator[CacheEntry]:
        width = self.config.intermediate_size
        for layer in range(self.config.num_hidden_layers):
            yield state(layer, "conv", "conv_states[0]", (width, self.config.conv_kernel))
            yield state(layer, "recurrent", "recurrent_states[0]", (width, self.config.state_size))


KINDS = [
    pytest.param(_Hybrid, HYBRID, id="states beside keys and values"),
    pytest.param(_StatesAlone, STATES_ALONE, id="states alone"),
]


def make_model(config: Any) -> Any:
    model = AutoModelForCausalLM.from_config(config).eval()
    perturb(model, seed=3, matrix_std=0.4, vector_std=0.3)
    return model


def test_a_prompt_and_the_steps_after_it_are_a_part_each() -> None:
    parts = _Hybrid(HYBRID, TASK).parts
    prompt, step = parts["decoder_model"], parts["decoder_with_past_model"]
    tokens = {0: "batch_size", 1: "sequence_length"}
    assert prompt.inputs == {"input_ids": tokens, "attention_mask": tokens}
    key = {0: "batch_size", 2: "past_sequence_length"}
    state_axes = {0: "batch_size"}
    assert step.inputs == {
        "input_ids": {0: "batch_size"},
        "attention_mask": {0: "batch_size", 1: "past_sequence_length + 1"},
        "past_conv.0": state_axes,
        "past_key_values.1.key": key,
        "past_key_values.1.value": key,
        "past_conv.2": state_axes,
    }
    assert list(prompt.outputs) == list(step.outputs)
    assert step.outputs["present_conv.0"] == state_axes
    assert step.outputs["present.1.key"] == {0: "batch_size", 2: "past_sequence_length + 1"}
    assert step.outputs["logits"] == {0: "batch_size"}
    assert prompt.outputs["present.1.key"] == {0: "batch_size", 2: "sequence_length"}


def test_positions_are_those_of_the_tokens_of_a_part() -> None:
    class Positioned(_Hybrid):
        TAKES_POSITIONS = True

    described, seen = Positioned(HYBRID, TASK), []
    prompt, step = described.parts.values()
    assert prompt.inputs["position_ids"] == {0: "batch_size", 1: "sequence_length"}
    assert step.inputs["position_ids"] == {0: "batch_size"}
    assert list(step.inputs)[:3] == ["input_ids", "attention_mask", "position_ids"]
    ordinary = step.generate_dummy_inputs(seed=1, past_sequence_length=4)
    assert ordinary["position_ids"].tolist() == [[4]] * 3
    assert described.position_reaches

    def run(stem: str, feed: Feed) -> Feed:
        seen.append(feed["position_ids"].tolist())
        shape = feed["input_ids"].shape
        cache = {entry.present: np.zeros(shape) for entry in described.parts[stem].cache}
        return {"logits": np.zeros((*shape, 2)), **cache}

    feed = {"input_ids": np.ones((1, 3), int), "attention_mask": np.ones((1, 3), int)}
    described.compose({**feed, "position_ids": np.array([[5, 7, 9]])}, run)
    assert seen == [[[5, 7]], [[9]]]
    assert "position_ids" not in Positioned(HYBRID, "text-classification").inputs


def test_without_a_past_there_is_one_part() -> None:
    config = _Hybrid(HYBRID, "text-generation")
    assert list(config.parts) == ["model"]
    assert config.cache == ()


def test_states_alone_have_no_length_and_a_step_no_mask() -> None:
    config = _StatesAlone(STATES_ALONE, TASK)
    step = config.parts["decoder_with_past_model"]
    assert list(step.inputs)[:2] == ["input_ids", "past_conv.0"]
    assert "past_sequence_length" not in config.axis_space.ranges
    feed = step.generate_dummy_inputs(batch_size=2)
    assert feed["input_ids"].shape == (2, 1)
    assert feed["past_recurrent.1"].shape == (2, 48, 6)


def test_the_limits_of_both_parts_bound_the_whole() -> None:
    bounds = {e.text: size for e, size in _Hybrid(HYBRID, TASK).axis_space.bounds}
    assert bounds == {"sequence_length": 64, "past_sequence_length + 1": 64}


@pytest.mark.parametrize(("describe", "config"), KINDS)
@pytest.mark.parametrize("length", [1, 2, 7])
def test_wrapper_and_reference_agree_also_on_prompts_shorter_than_the_kernel(
    describe: type[OnnxConfig], config: Any, length: int
) -> None:
    model = make_model(config)
    for part in describe(config, TASK).parts.values():
        sizes = {"sequence_length": length, "past_sequence_length": length}
        known = {n: s for n, s in sizes.items() if n in part.axis_space.ranges}
        feed = part.generate_dummy_inputs(seed=4, **known)
        before = {name: tensor.clone() for name, tensor in feed.items()}
        got = FlatModel(model, part)(*feed.values())
        for (name, expected), tensor in zip(
            call_reference(model, part, feed).items(), got, strict=True
        ):
            np.testing.assert_allclose(tensor.detach(), expected, atol=1e-6, err_msg=name)
        assert all(torch.equal(feed[name], before[name]) for name in feed), "inputs were changed"


@pytest.mark.parametrize(("describe", "config"), KINDS)
@pytest.mark.parametrize("forget", [None, "past_conv", "past_recurrent", "past_key_values"])
def test_the_parts_compose_to_the_whole_unless_a_step_forgets_a_tensor(
    describe: type[OnnxConfig], config: Any, forget: str | None
) -> None:
    model, described = make_model(config), describe(config, TASK)
    forgotten: set[str] = set()

    def run(stem: str, feed: Feed) -> Feed:
        known = {name: torch.from_numpy(array) for name, array in feed.items()}
        for name in known:
            if forget and name.startswith(forget):
                known[name] = torch.zeros_like(known[name])
                forgotten.add(name)
        return call_reference(model, described.parts[stem], known)

    feed = described.generate_dummy_inputs(seed=0, batch_size=3, sequence_length=9)
    expected = call_reference(model, described, feed)
    got = described.compose({name: tensor.numpy() for name, tensor in feed.items()}, run)
    difference = max(np.abs(got[name] - expected[name]).max() for name in expected)
    assert (difference > 1e-2) if forgotten else (difference < 1e-4)


def test_masked_tokens_are_in_the_prompt() -> None:
    described, calls = _Hybrid(HYBRID, TASK), []

    def run(stem: str, feed: Feed) -> Feed:
        calls.append((stem, feed["input_ids"].shape[1]))
        shape = feed["input_ids"].shape
        cache = {entry.present: np.zeros(shape) for entry in described.parts[stem].cache}
        return {"logits": np.zeros((*shape, 2)), **cache}

    ids = np.ones((2, 6), np.int64)
    mask = np.array([[1, 1, 1, 1, 0, 1], [1, 1, 1, 1, 1, 1]])
    described.compose({"input_ids": ids, "attention_mask": mask}, run)
    assert calls == [("decoder_model", 5), ("decoder_with_past_model", 1)]
    calls.clear()
    described.compose({"input_ids": ids, "attention_mask": np.ones_like(ids)}, run)
    assert [tokens for _, tokens in calls] == [3, 1, 1, 1]
