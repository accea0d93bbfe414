"""A description that lists another cache than eager makes breaks the rule of caches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness import GPT2OnnxConfig
from harness.configs.architectures.lfm2 import Lfm2OnnxConfig
from harness.configs.cache_layout import CacheEntry
from tests.tiny_models.cache_rules import violations_of_cache

TASK = "text-generation-with-past"


class _ForgetsALayer(GPT2OnnxConfig):
    @property
    def cache(self) -> Sequence[CacheEntry]:
        return super().cache[:-2]


class _ForgetsAState(Lfm2OnnxConfig):
    @property
    def cache(self) -> Sequence[CacheEntry]:
        return [entry for entry in super().cache if entry.name != "past_conv.2"]


class _StatesOfAnotherSize(Lfm2OnnxConfig):
    @property
    def cache(self) -> Sequence[CacheEntry]:
        return [dataclasses.replace(e, fixed=dict.fromkeys(e.fixed, 5)) for e in super().cache]


@pytest.mark.parametrize(
    ("architecture", "described", "names"),
    [
        ("gpt2", None, set()),
        ("t5", None, set()),
        ("lfm2", None, set()),
        ("gpt2", _ForgetsALayer, {"layer 1 keys", "layer 1 values"}),
        ("lfm2", _ForgetsAState, {"layer 2 conv_states[0]"}),
        ("lfm2", _StatesOfAnotherSize, {"past_conv.0", "past_conv.2"}),
    ],
)
def test_each_tensor_of_eagers_cache_is_declared(
    architecture: str, described: Any, names: set[str], subject: Callable[..., Any]
) -> None:
    task = "text2text-generation-with-past" if architecture == "t5" else TASK
    one = subject(architecture, task)
    config = one.config if described is None else described(one.model.config, task)
    found = list(violations_of_cache(one.model, config))
    assert {violation.name for violation in found} == names
    assert {violation.rule for violation in found} <= {"cache-layout"}
