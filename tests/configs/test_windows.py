"""Attention windows: read from a configuration, tested around their size, never fully masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    DynamicCache,
    Gemma2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen2MoeConfig,
)

from harness import LlamaOnnxConfig, OnnxConfig
from harness.configs.axis_space import AxisSpace
from harness.configs.normalized_config import NormalizedTextConfig
from harness.evidence.models import perturb
from harness.evidence.reference import call_reference

WINDOW = 4
TOTAL = "past_sequence_length + sequence_length"
MISTRAL = MistralConfig(
    vocab_size=107,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    intermediate_size=36,
    max_position_embeddings=64,
    sliding_window=WINDOW,
)


@pytest.mark.parametrize(
    ("config", "window"),
    [
        (MISTRAL, WINDOW),
        (MistralConfig(sliding_window=None), None),
        (LlamaConfig(), None),
        (Gemma2Config(sliding_window=WINDOW), WINDOW),
        (Qwen2Config(sliding_window=WINDOW), None),
        (Qwen2Config(sliding_window=WINDOW, use_sliding_window=True, max_window_layers=1), WINDOW),
        (Qwen2Config(sliding_window=WINDOW, use_sliding_window=True, max_window_layers=99), None),
        (Qwen2MoeConfig(sliding_window=WINDOW), None),
    ],
)
def test_a_window_counts_if_a_layer_uses_it(config: Any, window: int | None) -> None:
    assert NormalizedTextConfig(config).attention_window == window


def test_the_window_may_have_a_name_of_its_own() -> None:
    class Named:
        window_size = WINDOW

    named = NormalizedTextConfig.with_args(sliding_window="window_size")(Named())
    assert named.attention_window == WINDOW


def _described(config: Any, task: str) -> OnnxConfig:
    return LlamaOnnxConfig(config, task=task)


def test_a_decoder_declares_its_window_on_the_length_of_its_keys() -> None:
    with_past = _described(MISTRAL, "text-generation-with-past")
    assert with_past.axis_landmarks == {TOTAL: (WINDOW,)}
    assert _described(MISTRAL, "text-generation").axis_landmarks == {"sequence_length": (WINDOW,)}
    assert _described(LlamaConfig(), "text-generation").axis_landmarks == {"sequence_length": ()}


def _space(landmarks: Mapping[str, Sequence[int]], *, limit: int = 64) -> AxisSpace:
    names = ("batch_size", "past_sequence_length", "sequence_length")
    return AxisSpace.over(names, overrides={}, ceilings={TOTAL: limit}, landmarks=landmarks)


def _lengths(space: AxisSpace) -> set[tuple[int, int]]:
    return {(row["past_sequence_length"], row["sequence_length"]) for row in space.corners()}


@pytest.mark.parametrize("size", [2, 4, 15, 40])
def test_corners_pass_a_landmark_by_each_axis_of_its_sum(size: int) -> None:
    lengths = _lengths(_space({TOTAL: (size,)}, limit=512))
    goals = (size - 1, size, size + 1)
    assert {(0, goal) for goal in goals} | {(goal - 1, 1) for goal in goals} <= lengths
    assert any(min(past, new) > size and past + new >= 3 * size - 1 for past, new in lengths)


def test_corners_pass_a_landmark_on_one_axis() -> None:
    corners = _space({"sequence_length": (9,)}).corners()
    assert {8, 9, 10, 27} <= {corner["sequence_length"] for corner in corners}


def test_landmarks_respect_the_limit_of_the_model_and_the_export_sizes() -> None:
    assert all(past + new <= 12 for past, new in _lengths(_space({TOTAL: (11,)}, limit=12)))
    alone = AxisSpace.over(
        ("sequence_length",), overrides={}, ceilings={}, landmarks={"sequence_length": (7,)}
    )
    assert alone.export_sizes == {"sequence_length": 7}
    assert alone.export_sizes not in alone.corners()


def test_landmarks_add_corners_and_none_on_missing_axes() -> None:
    plain = _space({}).corners()
    assert _space({"decoder_sequence_length": (4,), f"{TOTAL} + x": (4,)}).corners() == plain
    with_landmark = [tuple(row.items()) for row in _space({TOTAL: (4,)}).corners()]
    assert {tuple(row.items()) for row in plain} < set(with_landmark)
    assert len(set(with_landmark)) == len(with_landmark)


def test_every_query_sees_a_kept_key_within_its_window() -> None:
    config = _described(MISTRAL, "text-generation-with-past")
    sizes = {"batch_size": 40, "past_sequence_length": 6, "sequence_length": 9}
    mask = config.generate_dummy_inputs(**sizes)["attention_mask"]
    for query in range(mask.shape[1]):
        assert mask[:, max(0, query - WINDOW + 1) : query + 1].any(dim=1).all(), query
    dropped = (mask == 0).sum(dim=0)
    assert (dropped > 0).tolist() == [position % WINDOW > 0 for position in range(15)]


@pytest.fixture(scope="module")
def windowed() -> Any:
    model: Any = AutoModelForCausalLM.from_config(MISTRAL).eval()
    perturb(model, seed=16, matrix_std=0.4, vector_std=0.3)
    return model


@pytest.mark.parametrize("past", [1, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW])
@pytest.mark.parametrize("new", [1, WINDOW + 1])
def test_a_full_cache_gives_the_same_logits_as_a_windowed_cache(
    past: int, new: int, windowed: Any
) -> None:
    """So the reference may keep every key, and `present` has its declared length."""
    config = _described(MISTRAL, "text-generation-with-past")
    feed = config.generate_dummy_inputs(past_sequence_length=past, sequence_length=new)
    before = config.generate_dummy_inputs(past_sequence_length=0, sequence_length=past)["input_ids"]
    full, sliding = DynamicCache(), DynamicCache(config=MISTRAL)
    with torch.no_grad():
        for cache in (full, sliding):
            mask = feed["attention_mask"][:, :past]
            windowed(before, attention_mask=mask, past_key_values=cache, use_cache=True)
        direct = {name: feed[name] for name in ("input_ids", "attention_mask", "position_ids")}
        expected = windowed(**direct, past_key_values=sliding, use_cache=True).logits
    for index, layer in enumerate(full.layers):
        feed[f"past_key_values.{index}.key"] = layer.keys
        feed[f"past_key_values.{index}.value"] = layer.values
    found = call_reference(windowed, config, feed)
    assert np.abs(found["logits"] - expected.numpy()).max() < 1e-4
    assert found["present.0.key"].shape[2] == past + new
    assert sliding.layers[0].keys.shape[2] == min(past + new, WINDOW - 1)
