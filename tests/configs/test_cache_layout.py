"""Cache entries: their names, the grammar of these names, and which inputs and outputs follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.configs.cache_layout import as_past, is_past, is_present, past_name, present_name

NAMES = [
    ("past_key_values.3.key", "present.3.key"),
    ("past_key_values.11.encoder.value", "present.11.encoder.value"),
    ("past_conv.0", "present_conv.0"),
    ("past_recurrent.12", "present_recurrent.12"),
]


@pytest.mark.parametrize(("past", "present"), NAMES)
def test_each_output_has_the_name_of_the_next_input(past: str, present: str) -> None:
    assert present_name(past) == present
    assert past_name(present) == past
    assert is_past(past)
    assert is_present(present)
    assert as_past({present: 1, "logits": 2}) == {past: 1}


@pytest.mark.parametrize(
    "name",
    ["past_values", "past_observed_mask", "past_key_values", "presentation.0", "present", "logits"],
)
def test_other_names_are_no_names_of_a_cache(name: str) -> None:
    assert not is_past(name)
    assert not is_present(name)
    with pytest.raises(ValueError, match="is no name of a cache tensor"):
        present_name(name)
    with pytest.raises(ValueError, match="is no name of a cache tensor"):
        past_name(name)


def test_a_decoder_takes_and_returns_keys_and_values_of_each_layer(
    subject: Callable[..., Any],
) -> None:
    config = subject("gpt2", "text-generation-with-past").config
    assert [entry.name for entry in config.cache] == [
        f"past_key_values.{layer}.{word}" for layer in (0, 1) for word in ("key", "value")
    ]
    assert [(entry.layer, entry.held) for entry in config.cache] == [
        (layer, word) for layer in (0, 1) for word in ("keys", "values")
    ]
    first = config.cache[0]
    assert config.inputs[first.name] == {0: "batch_size", 2: "past_sequence_length"}
    assert config.outputs[first.present] == {
        0: "batch_size",
        2: "past_sequence_length + sequence_length",
    }


def test_a_task_without_a_past_has_no_cache(subject: Callable[..., Any]) -> None:
    assert subject("gpt2", "text-generation").config.cache == ()
    assert subject("bert", "fill-mask").config.cache == ()


def test_the_first_step_alone_returns_what_the_decoder_keeps_of_the_encoder(
    subject: Callable[..., Any],
) -> None:
    parts = subject("t5", "text2text-generation-with-past").config.parts
    first, further = parts["decoder_model"], parts["decoder_with_past_model"]
    returned = {entry.present for entry in further.cache}
    assert returned <= set(first.outputs)
    assert not any(name.startswith("past") for name in first.inputs)
    assert {entry.name for entry in further.cache} <= set(further.inputs)
    assert returned.intersection(further.outputs) == {
        name for name in returned if ".decoder." in name
    }
    assert first.outputs["present.0.decoder.key"][2] == "decoder_sequence_length"
    assert parts["encoder_model"].cache == ()
