"""Schedules of tokens: a prefill, tokens at once and single steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from harness import GPT2OnnxConfig
from harness.configs.cache_layout import CacheEntry, keys_and_values
from harness.errors import DescriptionError
from harness.evidence.cell_files import Source
from harness.evidence.decoding import STEPS, Decoding, step_name
from harness.evidence.evidence import Evidence
from harness.evidence.example import Example

TASK = "text-generation-with-past"
Subjects = Callable[..., Any]


def _decoding(one: Any) -> Decoding:
    return Decoding(Evidence(model=one.model, config=one.config, source=Source()).whole)


def _example(past: int, tokens: int, *, batch: int = 3, seed: int = 0) -> Example:
    axes = {"batch_size": batch, "past_sequence_length": past, "sequence_length": tokens}
    return Example.of(axes, seed)


@pytest.mark.parametrize(
    ("past", "tokens", "ends"),
    [
        (3, 2, (3, 5, 6, 7, 8, 9, 10)),
        (1, 1, (1, 2, 3, 4, 5, 6, 7)),
        (0, 4, (4, 5, 6, 7, 8, 9)),
        (40, 24, (40, 59, 60, 61, 62, 63, 64)),
        (62, 2, (59, 60, 61, 62, 63, 64)),
    ],
)
def test_a_schedule_is_prefill_tokens_and_single_steps_up_to_the_last_position(
    past: int, tokens: int, ends: tuple[int, ...], subject: Subjects
) -> None:
    schedule = _decoding(subject("gpt2", TASK)).schedule_for(_example(past, tokens))
    assert schedule.ends == ends
    shapes = {name: tuple(tensor.shape) for name, tensor in schedule.feed.items()}
    length = ends[-1]
    assert shapes.pop("input_ids") == shapes.pop("attention_mask") == (3, length)
    assert shapes.pop("position_ids") == (3, length)
    assert {shape[2] for shape in shapes.values()} == {0}
    assert len(schedule.spans) > STEPS


def test_a_cache_without_length_is_filled_by_the_tokens_and_continued_by_single_steps(
    subject: Subjects,
) -> None:
    example = Example.of({"batch_size": 2, "sequence_length": 4}, 0)
    assert _decoding(subject("mamba", TASK)).schedule_for(example).ends == (4, 5, 6, 7, 8, 9)


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [
        (0, 1, "prefill of 1 token"),
        (0, 3, "prefill of 3 tokens"),
        (5, 6, "1 token after a past of 5"),
        (5, 8, "3 tokens after a past of 5"),
    ],
)
def test_a_step_is_named_by_its_tokens_and_its_past(start: int, end: int, name: str) -> None:
    assert step_name(start, end) == name


def test_an_encoder_decoder_has_such_a_schedule_too(subject: Subjects) -> None:
    axes = {"batch_size": 2, "encoder_sequence_length": 4}
    example = Example.of(
        axes | {"decoder_sequence_length": 2, "past_decoder_sequence_length": 3}, 0
    )
    decoding = _decoding(subject("t5", "text2text-generation-with-past"))
    schedule = decoding.schedule_for(example)
    assert schedule.ends == (3, 5, 6, 7, 8, 9, 10)
    assert schedule.feed["decoder_input_ids"].shape == (2, 10)
    assert schedule.feed["attention_mask"].shape == (2, 4)
    assert decoding.defined_queries(schedule) is None


def test_prompts_are_padded_on_the_left_kept_whole_and_have_holes(subject: Subjects) -> None:
    decoding = _decoding(subject("gpt2", TASK))
    rows = set()
    for seed in range(8):
        schedule = decoding.schedule_for(_example(6, 2, batch=6, seed=seed))
        mask = schedule.feed["attention_mask"].numpy()
        defined = decoding.defined_queries(schedule)
        assert defined is not None
        np.testing.assert_array_equal(defined, np.logical_or.accumulate(mask > 0, axis=1))
        assert mask[defined.sum(axis=1) < mask.shape[1], 5:].all(), "padded within the prompt"
        rows |= {"left" if row[0] == 0 else "ones" if row.all() else "holes" for row in mask}
    assert rows == {"left", "ones", "holes"}


def test_the_error_for_a_description_without_a_past_axis_says_what_to_declare(
    subject: Subjects,
) -> None:
    class Renamed(GPT2OnnxConfig):
        key_axis = "earlier_tokens + sequence_length"

        @property
        def cache(self) -> Sequence[CacheEntry]:
            return tuple(keys_and_values(0, {0: "batch_size", 2: "earlier_tokens"}))

    one = subject("gpt2", TASK)
    with pytest.raises(DescriptionError, match="no input has the axis 'past_sequence_length'"):
        Decoding(
            Evidence(model=one.model, config=Renamed(one.model.config, TASK), source=Source()).whole
        )
