"""A wrong description or a wrong draw breaks each rule of domains."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness import OnnxConfig, TasksManager
from harness.configs.axis_space import AxisSpace
from harness.configs.dummy_inputs import DummyInputGenerator
from harness.configs.feed_generators import Dims
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.text_inputs import DummyTextInputGenerator
from harness.evidence.example import Example
from harness.judge.examples import draw_examples
from tests.tiny_models import domain_rules
from tests.tiny_models.domain_rules import unvisited_bounds, violations_of_domain

SIZES = {"batch_size": 2, "past_sequence_length": 3, "sequence_length": 5}


def _gpt2(task: str = "text-generation-with-past") -> OnnxConfig:
    from transformers import GPT2Config

    settings = GPT2Config(n_positions=64, n_embd=8, n_head=2, n_layer=1, vocab_size=90)
    settings.bos_token_id, settings.eos_token_id = 88, 89
    config: OnnxConfig = TasksManager.get_exporter_config_constructor(
        "onnx", model_type="gpt2", task=task
    )(settings)
    return config


def _described(wrong: dict[str, Any]) -> OnnxConfig:
    """Return GPT-2's description with some attributes replaced by wrong ones."""
    right = _gpt2()
    other: OnnxConfig = type("Wrong", (type(right),), wrong)(right.config, task=right.task)
    return other


def _broken(config: OnnxConfig) -> set[tuple[str, str]]:
    return {(v.rule, v.name) for v in violations_of_domain(config)}


def test_a_right_description_keeps_the_rules() -> None:
    assert _broken(_gpt2()) == set()


def test_a_description_is_refused_if_it_states_no_end_of_its_positions() -> None:
    wrong = _described({"axis_ceilings": {}, "position_reaches": ()})
    assert _broken(wrong) == {("stated-bounds", "n_positions")}


def test_a_description_is_refused_if_one_side_is_bound_by_the_table_of_the_other(
    fresh_subject: Callable[..., Any],
) -> None:
    config = fresh_subject("led", "feature-extraction").config
    assert _broken(config) == set()
    by_decoder = property(
        lambda self: {"encoder_sequence_length": self.config.max_decoder_position_embeddings}
    )
    wrong = type("Wrong", (type(config),), {"axis_ceilings": by_decoder})
    found = _broken(wrong(config.config, task=config.task))
    assert found == {("stated-bounds", "max_encoder_position_embeddings")}


def test_a_draw_is_refused_if_it_leaves_out_the_ends_of_the_domain() -> None:
    space = _gpt2().axis_space
    drawn = draw_examples(space, count=30, seed=0)
    assert not list(unvisited_bounds(space, drawn))
    short = [e for e in drawn if sum(size for name, size in e.sizes if "length" in name) < 64]
    (violation,) = unvisited_bounds(space, short)
    assert violation.details == "no example has 64"


def test_a_draw_is_refused_if_it_stops_at_a_landmark() -> None:
    ranges = dict(_gpt2().axis_space.ranges)
    space = AxisSpace.over(ranges, overrides={}, ceilings={}, landmarks={"sequence_length": (9,)})
    drawn = [e for e in draw_examples(space, count=0, seed=0) if e.axes["sequence_length"] < 10]
    (violation,) = unvisited_bounds(space, drawn)
    assert violation.details == "no example has 10"


def test_a_draw_is_refused_if_no_feed_ends_at_the_last_position() -> None:
    class Short(DummyTextInputGenerator):
        def reaching(self, name: str, dims: Dims, *, number: int) -> torch.Tensor:
            return self.ordinary(name, dims, past=0)

    right = _gpt2()
    classes = (Short, *right.DUMMY_INPUT_GENERATOR_CLASSES)
    wrong = _described({"DUMMY_INPUT_GENERATOR_CLASSES": classes})
    assert _broken(wrong) == {("visited-bounds", "position_ids")}


def test_a_draw_is_refused_if_its_feeds_are_never_ordinary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def provoking(space: AxisSpace, **options: Any) -> list[Any]:
        return [dataclasses.replace(e, seed=0) for e in draw_examples(space, **options)]

    domain_rules._draw_once.cache_clear()
    monkeypatch.setattr(domain_rules, "draw_examples", provoking)
    try:
        assert {rule for rule, _ in _broken(_gpt2())} >= {"ordinary-examples"}
    finally:
        domain_rules._draw_once.cache_clear()


def test_a_description_is_refused_if_the_cost_of_an_example_is_unknown_or_too_high() -> None:
    class Wider(NormalizedTextConfig):
        head_dim = 10**9

    class Unknown(NormalizedTextConfig):
        @property
        def head_dim(self) -> int:
            raise RuntimeError("differs by layer")

    for kind in (Wider, Unknown):
        names = type(_gpt2().normalized_config)._NAMES
        wrong = _described({"NORMALIZED_CONFIG_CLASS": kind.with_args(**names)})
        found = {v.rule for v in domain_rules._costly_examples(wrong, [Example.of(SIZES, 0)])}
        assert found == {"affordable-examples"}


class _Ids(DummyTextInputGenerator):
    SUPPORTED_INPUT_NAMES = ("input_ids",)

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        return self.generate(name, dims)


class _Mask(_Ids):
    SUPPORTED_INPUT_NAMES = ("attention_mask",)


class _Positions(DummyTextInputGenerator):
    SUPPORTED_INPUT_NAMES = ("position_ids",)

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        return super().ordinary(name, dims, past=0)


class _Types(_Ids):
    SUPPORTED_INPUT_NAMES = ("token_type_ids",)


@pytest.mark.parametrize(
    ("architecture", "task", "generator"),
    [
        ("gpt2", "text-generation-with-past", _Ids),
        ("gpt2", "text-generation-with-past", _Mask),
        ("gpt2", "text-generation-with-past", _Positions),
        ("bert", "multiple-choice", _Types),
    ],
)
def test_a_generator_is_refused_if_its_commonest_feed_is_not_ordinary(
    architecture: str,
    task: str,
    generator: type[DummyInputGenerator],
    subject: Callable[..., Any],
) -> None:
    right = subject(architecture, task).config
    classes = (generator, *right.DUMMY_INPUT_GENERATOR_CLASSES)
    described = type("Wrong", (type(right),), {"DUMMY_INPUT_GENERATOR_CLASSES": classes})
    found = _broken(described(right.config, task=task))
    assert found == {("ordinary-feeds", *generator.SUPPORTED_INPUT_NAMES)}
