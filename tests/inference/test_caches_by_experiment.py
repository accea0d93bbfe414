"""The cache of a decoder is found by experiment, and the steps that eager itself gets right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import nn

from harness.configs.architectures.gpt2 import GPT2OnnxConfig
from harness.configs.cache_layout import CacheKind, CacheSide
from harness.configs.task_table import Axes
from harness.inference.caches.entries import FoundEntry, find_entries
from harness.inference.caches.steps import InferredSteps, infer_steps
from harness.inference.comparison.described_feed import DescribedFeed
from harness.inference.experiments.axes import infer_axes
from harness.inference.experiments.eager_model import EagerModel
from harness.inference.experiments.experiment import Experiment


def _cache_of(model: Any, config: Any) -> tuple[dict[str, FoundEntry], InferredSteps]:
    feed, eager = DescribedFeed(config), EagerModel(model, use_cache=True)
    axes = infer_axes(Experiment(call=eager, feed=feed))
    steps = infer_steps(eager, feed, axes)
    return {one.entry.name: one for one in find_entries(steps.before, steps.after, axes)}, steps


@pytest.fixture
def cache_of(subject: Callable[..., Any]) -> Callable[[str, str], Any]:
    """Infer the cache of the tiny model of an architecture and task."""

    def infer(architecture: str, task: str) -> tuple[dict[str, FoundEntry], InferredSteps]:
        one = subject(architecture, task)
        return _cache_of(one.model, one.config)

    return infer


def test_keys_grow_and_those_of_a_window_end(cache_of: Any) -> None:
    entries, steps = cache_of("gemma2", "text-generation")
    windowed, full = entries["past_key_values.0.key"], entries["past_key_values.1.key"]
    assert (windowed.entry.kind, windowed.entry.window) == (CacheKind.WINDOW, 4)
    assert windowed.entry.axes == {0: "input_ids__0", 2: "min(input_ids__1, 3)"}
    assert (full.entry.kind, full.entry.window) == (CacheKind.KEYS_VALUES, None)
    assert full.entry.axes == {0: "input_ids__0", 2: "input_ids__1"}
    assert full.entry.fixed == {1: 2, 3: 10}
    assert steps.single_is_right
    assert steps.several_is_right


def test_an_encoder_decoder_has_a_cross_cache(cache_of: Any) -> None:
    entries, steps = cache_of("t5", "text2text-generation")
    own = entries["past_key_values.0.decoder.value"].entry
    cross = entries["past_key_values.0.encoder.value"].entry
    assert (own.kind, own.side) == (CacheKind.KEYS_VALUES, CacheSide.DECODER)
    assert (cross.kind, cross.side) == (CacheKind.CROSS, CacheSide.ENCODER)
    assert own.axes[2] == "decoder_input_ids__1"
    assert cross.axes[2] == "input_ids__1"
    assert steps.single_is_right


def test_the_step_of_mamba_has_one_token(cache_of: Any) -> None:
    entries, steps = cache_of("mamba", "text-generation")
    state = entries["past_recurrent.0"].entry
    assert (state.kind, state.held) == (CacheKind.STATE, "recurrent_states[0]")
    assert (state.axes, state.fixed) == ({0: "input_ids__0"}, {1: 48, 2: 10})
    assert steps.single_is_right
    assert not steps.several_is_right


def test_lfm2_keeps_convolutions_beside_keys(cache_of: Any) -> None:
    entries, steps = cache_of("lfm2", "text-generation")
    kinds = {name: found.entry.kind for name, found in entries.items()}
    assert kinds == {
        "past_conv.0": CacheKind.STATE,
        "past_key_values.1.key": CacheKind.KEYS_VALUES,
        "past_key_values.1.value": CacheKind.KEYS_VALUES,
        "past_conv.2": CacheKind.STATE,
    }
    assert steps.single_is_right


class _Forgetful(nn.Module):
    """GPT-2 whose steps after a past see positions that begin at 0 again."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, cache: Any = None, use_cache: bool = False, **more: Any
    ) -> Any:
        more["position_ids"] = torch.arange(input_ids.shape[1]).expand(input_ids.shape)
        return self.model(input_ids, cache=cache, use_cache=use_cache, **more)


class _Told(_Forgetful):
    """The same, unless it is given positions, as Bamba."""

    def forward(
        self,
        input_ids: torch.Tensor,
        cache: Any = None,
        use_cache: bool = False,
        position_ids: torch.Tensor | None = None,
        **more: Any,
    ) -> Any:
        if position_ids is None:
            return super().forward(input_ids, cache, use_cache, **more)
        return self.model(
            input_ids, cache=cache, use_cache=use_cache, position_ids=position_ids, **more
        )


def test_a_model_that_is_wrong_after_a_past_is_found(subject: Callable[..., Any]) -> None:
    one = subject("gpt2", "text-generation")
    _, steps = _cache_of(_Forgetful(one.model), one.config)
    assert not steps.single_is_right
    assert not steps.several_is_right


class _WithoutPositions(GPT2OnnxConfig):
    """GPT-2 without positions among its inputs."""

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {name: axes for name, axes in super().inputs.items() if name != "position_ids"}


@pytest.mark.parametrize(("kind", "is_right"), [(_Forgetful, False), (_Told, True)])
def test_a_model_that_needs_positions_gets_them(
    kind: type[_Forgetful], is_right: bool, subject: Callable[..., Any]
) -> None:
    one = subject("gpt2", "text-generation")
    config = _WithoutPositions(one.config.config, "text-generation")
    _, steps = _cache_of(kind(one.model), config)
    assert (steps.single_is_right, steps.needs_positions) == (is_right, is_right)


class _Narrow(nn.Module):
    """A model that multiplies its weights by constants in float32."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.scale = nn.Parameter(torch.ones(2, 2), requires_grad=False)

    def forward(
        self, input_ids: torch.Tensor, cache: Any = None, use_cache: bool = False, **more: Any
    ) -> Any:
        torch.ones(2, 2, dtype=torch.float32) @ self.scale
        return self.model(input_ids, cache=cache, use_cache=use_cache, **more)


@pytest.mark.parametrize("forgets", [False, True])
def test_steps_are_compared_although_a_model_refuses_float64(
    forgets: bool, subject: Callable[..., Any]
) -> None:
    one, is_right = subject("gpt2", "text-generation"), not forgets
    entries, steps = _cache_of(_Narrow(_Forgetful(one.model) if forgets else one.model), one.config)
    assert (steps.single_is_right, steps.several_is_right) == (is_right, is_right)
    assert "past_key_values.0.key" in entries
