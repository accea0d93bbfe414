"""Tests of the tokens and feeds taken from transformers' `generate()`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from transformers import GPT2LMHeadModel

from harness.evidence.cell_files import Source
from harness.evidence.decoding import STEPS, Decoding
from harness.evidence.evidence import Evidence
from harness.evidence.example import Example
from harness.evidence.generation import GenerationError, generate, why_not_generated

TASK = "text-generation-with-past"
SIZES = {"batch_size": 3, "past_sequence_length": 4, "sequence_length": 1}
Subjects = Callable[..., Any]


def _decoding(one: Any) -> Decoding:
    return Decoding(Evidence(model=one.model, config=one.config, source=Source()).whole)


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("llama", TASK),
        ("t5", "text2text-generation-with-past"),
        ("whisper", "automatic-speech-recognition-with-past"),
    ],
)
def test_a_generation_equals_generate_and_leaves_the_model_unchanged(
    architecture: str, task: str, subject: Subjects
) -> None:
    one = subject(architecture, task)
    before = copy.deepcopy((one.model.generation_config.to_dict(), one.model.config.to_dict()))
    decoding = _decoding(one)
    space = one.config.axis_space
    schedule = decoding.schedule_for(Example.of(space.export_sizes, 1))
    generation = generate(one.model, one.config, schedule)
    assert generation.choices.shape == (3, STEPS)
    full = decoding.reference(generation.schedule).in_one_call["logits"]
    at = [end - 1 for end in generation.schedule.ends[:-1]]
    np.testing.assert_allclose(full[:, at], generation.logits, atol=one.config.atol)
    assert (generation.logits.argmax(axis=2) == generation.choices).mean() > 0.5
    after = (one.model.generation_config.to_dict(), one.model.config.to_dict())
    assert after == before
    assert not one.model._forward_hooks


def test_calls_that_do_not_continue_the_prompt_are_ignored(
    subject: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = subject("gpt2", TASK)
    schedule = _decoding(one).schedule_for(Example.of(SIZES, 0))
    alone = generate(one.model, one.config, schedule)
    plain = GPT2LMHeadModel.generate

    def detect_first(model: Any, **keywords: Any) -> Any:
        model(input_ids=keywords["input_ids"][:, :2], use_cache=True)
        return plain(model, **keywords)

    monkeypatch.setattr(GPT2LMHeadModel, "generate", detect_first)
    detecting = generate(one.model, one.config, schedule)
    assert detecting.schedule.ends == alone.schedule.ends == (4, 5, 6, 7, 8, 9)
    np.testing.assert_array_equal(detecting.choices, alone.choices)


def test_a_generation_of_one_token_is_an_error(
    subject: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = subject("gpt2", TASK)
    plain = GPT2LMHeadModel.generate

    def one_token(model: Any, **keywords: Any) -> Any:
        return plain(model, **{**keywords, "max_new_tokens": 1})

    monkeypatch.setattr(GPT2LMHeadModel, "generate", one_token)
    with pytest.raises(GenerationError, match="chose no token to continue from"):
        generate(one.model, one.config, _decoding(one).schedule_for(Example.of(SIZES, 0)))


@pytest.mark.parametrize(
    ("architecture", "task", "reason"),
    [
        ("gpt2", TASK, None),
        ("t5", "text2text-generation-with-past", None),
        ("gpt2", "feature-extraction-with-past", "feature-extraction-with-past chooses no tokens"),
        ("bert", "fill-mask", "BertForMaskedLM does not generate"),
    ],
)
def test_a_reason_is_given_if_nothing_is_generated(
    architecture: str, task: str, reason: str | None, subject: Subjects
) -> None:
    one = subject(architecture, task)
    assert why_not_generated(one.model, one.config) == reason
