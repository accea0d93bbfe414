"""Examples that cost too much are left out, and the record says which bound was not reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.evidence.costs import ExampleLimits, estimate_cost
from harness.evidence.example import Example
from harness.judge.budget import important_first
from harness.judge.domain import WORK_PER_SECOND, Domain
from harness.judge.examples import draw_examples

TASK = "text-generation-with-past"
TOTAL = "past_sequence_length + sequence_length"


@pytest.fixture
def config(subject: Callable[..., Any]) -> Any:
    return subject("llama", TASK).config


def _sizes(past: int, new: int) -> dict[str, int]:
    return {"batch_size": 1, "past_sequence_length": past, "sequence_length": new}


def test_memory_grows_with_the_square_of_the_tokens_and_with_the_past(config: Any) -> None:
    def memory(past: int, new: int) -> int:
        return estimate_cost(config, _sizes(past, new), parameters=0).memory

    heads = config.normalized_config.num_attention_heads
    assert memory(0, 2000) > 4 * 4 * heads * 2000**2
    assert memory(0, 4000) > 3 * memory(0, 2000)
    assert memory(4000, 1) < memory(0, 4000) / 10
    assert memory(4000, 1) > memory(1, 1)


def test_operations_grow_with_the_parameters_and_the_tokens(config: Any) -> None:
    def operations(new: int, parameters: int) -> int:
        return estimate_cost(config, _sizes(0, new), parameters=parameters).operations

    assert operations(10, 10**9) == pytest.approx(10**10, rel=0.01)


def test_the_dearest_part_decides(subject: Callable[..., Any]) -> None:
    config = subject("bart", "text2text-generation-with-past").config
    sizes = {"encoder_sequence_length": 3000, "decoder_sequence_length": 1}
    whole = estimate_cost(config, sizes, parameters=0).memory
    encoder = config.parts["encoder_model"]
    assert whole >= estimate_cost(encoder, sizes, parameters=0).memory > 10**8


def test_a_bound_that_no_example_reached_is_named_with_what_it_needs(config: Any) -> None:
    limits = ExampleLimits(memory=estimate_cost(config, _sizes(0, 40), parameters=0).memory)
    domain = Domain(config, 0, limits)
    assert domain.allows(_sizes(0, 40))
    assert not domain.allows(_sizes(0, 64))
    seen = [Example.of(_sizes(3, 4), 0), Example.of(_sizes(0, 40), 0)]
    (unreached,) = domain.unreached(seen)
    assert (unreached.landmark, unreached.bound, unreached.reached) == (TOTAL, 64, 40)
    assert "GB of memory" in unreached.needs
    assert not list(domain.unreached([*seen, Example.of(_sizes(63, 1), 0)]))


def test_without_an_example_nothing_is_reached(config: Any) -> None:
    (unreached,) = Domain(config, 0, ExampleLimits()).unreached([])
    assert unreached.reached == 0


def test_the_tolerance_is_measured_at_the_bounds_too_if_time_allows(config: Any) -> None:
    domain = Domain(config, 10**6, ExampleLimits())
    examples = draw_examples(config.axis_space, count=30, seed=0)
    work = domain.cost(_sizes(63, 1)).work
    in_order = important_first(examples, config.axis_space)
    assert len(in_order) == len(examples)
    assert domain.to_measure(examples, seconds=1e9) == in_order
    some = domain.to_measure(examples, seconds=10 * 40 * work / WORK_PER_SECOND)
    assert 3 < len(some) < len(examples)
    assert max(e.axes["past_sequence_length"] + e.axes["sequence_length"] for e in some) == 64
    few = domain.to_measure(examples, seconds=1e-9)
    assert len(few) == 3
