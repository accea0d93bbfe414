"""What a configuration says about the scaling of rotary positions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from transformers import Gemma3TextConfig, LlamaConfig, Ministral3Config, Phi3Config

from harness import LlamaOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig

FACTORS = {"short_factor": [1.0] * 48, "long_factor": [2.0] * 48}
SLIDING = {"rope_type": "default", "rope_theta": 10000.0}


def _phi3(**scaling: Any) -> Phi3Config:
    return Phi3Config(
        max_position_embeddings=131072,
        original_max_position_embeddings=4096,
        pad_token_id=0,
        rope_parameters={"rope_type": "longrope", "rope_theta": 10000.0, **FACTORS, **scaling},
    )


def _llama(**scaling: Any) -> LlamaConfig:
    return LlamaConfig(
        max_position_embeddings=2048, rope_parameters={"rope_theta": 10000.0, **scaling}
    )


def _gemma3(**full: Any) -> Gemma3TextConfig:
    parameters = {"sliding_attention": SLIDING, "full_attention": {"rope_theta": 1e6, **full}}
    return Gemma3TextConfig(max_position_embeddings=1024, rope_parameters=parameters)


OLD = {"model_type": "old", "max_position_embeddings": 4096}

CASES: list[tuple[Any, tuple[int, ...], bool, bool]] = [
    (_phi3(), (4096,), False, True),
    (_phi3(original_max_position_embeddings=4096), (4096,), False, True),
    (_llama(rope_type="default"), (), False, False),
    (_llama(rope_type="linear", factor=2.0), (), False, False),
    (
        _llama(rope_type="yarn", factor=2.0, original_max_position_embeddings=1024),
        (),
        False,
        False,
    ),
    (_llama(rope_type="dynamic", factor=2.0), (2048,), True, True),
    (_gemma3(rope_type="linear", factor=8.0), (), False, False),
    (_gemma3(rope_type="dynamic", factor=8.0), (1024,), True, True),
    (Ministral3Config(), (16384,), False, False),
    (SimpleNamespace(**OLD, rope_scaling=None), (), False, False),
    (SimpleNamespace(**OLD, rope_scaling={"type": "dynamic", "factor": 2.0}), (4096,), True, True),
    (
        SimpleNamespace(**OLD, rope_scaling={"type": "su"}, original_max_position_embeddings=512),
        (512,),
        False,
        True,
    ),
]


@pytest.mark.parametrize(("config", "switches", "goes_past_table", "follows_length"), CASES)
def test_switches_follow_from_the_configuration(
    config: Any, switches: tuple[int, ...], goes_past_table: bool, follows_length: bool
) -> None:
    text = NormalizedTextConfig(config)
    assert text.rope_switches == switches
    assert text.goes_past_table is goes_past_table
    assert text.rope_follows_length is follows_length


def test_a_table_has_the_name_that_a_description_gives_it() -> None:
    config = SimpleNamespace(model_type="old", n_ctx=99, rope_scaling={"rope_type": "dynamic"})
    named = NormalizedTextConfig.with_args(max_positions="n_ctx")
    assert named(config).rope_switches == (99,)


@pytest.mark.parametrize(
    ("config", "reaches"),
    [
        (LlamaConfig(max_position_embeddings=64), (64,)),
        (_llama(rope_type="dynamic", factor=2.0), (2048, 4096, 2049)),
        (SimpleNamespace(model_type="old", rope_scaling=None), ()),
    ],
)
def test_feeds_reach_the_table_its_switches_and_what_a_scaling_adds(
    config: Any, reaches: tuple[int, ...]
) -> None:
    assert NormalizedTextConfig(config).position_reaches == reaches


def test_short_texts_have_positions_past_the_table_that_a_scaling_stretches() -> None:
    config = LlamaOnnxConfig(_llama(rope_type="dynamic", factor=2.0), task="text-generation")
    sizes = {"batch_size": 2, "sequence_length": 3}
    drawn = [config.generate_dummy_inputs(seed=3 * n, **sizes) for n in range(40)]
    assert 2048 < max(int(feed["position_ids"].max()) for feed in drawn) < 4096
