"""Caches that keep their window: two builders rebuild what eager makes, and wrong ones show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from harness import DescriptionError, LlamaOnnxConfig, Outcome, judge_cell, register
from harness.configs.cache_layout import CacheKind, CacheSide
from harness.configs.dummy_feeds import sizes_in
from harness.configs.task_table import Axes
from harness.evidence import reference
from harness.evidence.models import tiny_model
from harness.evidence.reference import call_reference
from harness.evidence.tolerance import Tolerance
from harness.exporters._window_layers import WindowLayer
from harness.exporters._wrapper import FlatModel, export_copy
from harness.records import CellId
from harness.requirements.shared.comparison import compare
from tests.tiny_models.cache_rules import violations_of_cache

TASK = "text-generation-with-past"
WINDOW = 4
PASTS = [0, 1, WINDOW - 2, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW]


class _Windowed(LlamaOnnxConfig):
    """Mistral, all of whose layers have a window, with a cache that keeps no more."""

    @property
    def cache_windows(self) -> Mapping[int, int]:
        windows: Mapping[int, int] = self.normalized_config.layer_windows
        return windows


class _OneTokenMore(_Windowed):
    @property
    def cache_windows(self) -> Mapping[int, int]:
        return dict.fromkeys(super().cache_windows, WINDOW + 1)


class _WithoutMask(_Windowed):
    """No input says how many tokens came before."""

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {name: axes for name, axes in super().inputs.items() if name != "attention_mask"}


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_model("mistral", TASK)


@pytest.fixture(scope="module")
def config(model: Any) -> _Windowed:
    return _Windowed(model.config, TASK)


def _feed(config: Any, past: int, new: int, seed: int = 0) -> dict[str, torch.Tensor]:
    feed: dict[str, torch.Tensor] = config.generate_dummy_inputs(
        seed=seed, past_sequence_length=past, sequence_length=new
    )
    return feed


def _wrapped(model: Any, config: Any, feed: dict[str, torch.Tensor]) -> dict[str, Any]:
    flat = FlatModel(export_copy(model), config)
    with torch.no_grad():
        tensors = flat(*feed.values())
    return {name: t.numpy() for name, t in zip(flat.output_names, tensors, strict=True)}


def test_keys_end_at_the_window(config: _Windowed) -> None:
    first = config.cache[0]
    assert (first.kind, first.window) == (CacheKind.WINDOW, WINDOW)
    assert config.inputs[first.name][2] == "min(past_sequence_length, 3)"
    assert config.outputs[first.present][2] == "min(past_sequence_length + sequence_length, 3)"


def test_the_past_is_what_a_mask_is_longer_than_the_tokens(config: _Windowed) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in _feed(config, 9, 2).items()}
    assert sizes_in(config.inputs, shapes)["past_sequence_length"] == 9


@pytest.mark.parametrize(
    ("described", "is_right"), [(_Windowed, True), (LlamaOnnxConfig, True), (_OneTokenMore, False)]
)
def test_the_layout_is_that_of_eagers_cache(
    described: type[LlamaOnnxConfig], is_right: bool, model: Any
) -> None:
    """A description may keep all keys: the reference then gives eager a cache that does."""
    found = list(violations_of_cache(model, described(model.config, TASK)))
    assert (not found) is is_right
    assert {one.rule for one in found} <= {"cache-layout"}


@pytest.mark.parametrize("past", PASTS)
@pytest.mark.parametrize("new", [1, 2, WINDOW + 1])
def test_both_builders_agree_on_each_side_of_the_window(
    past: int, new: int, model: Any, config: _Windowed
) -> None:
    feed = _feed(config, past, new)
    expected = call_reference(model, config, feed)
    assert expected["present.0.key"].shape[2] == min(past + new, WINDOW - 1)
    assert not compare(expected, _wrapped(model, config, feed), Tolerance.stated(1e-5)).findings


@pytest.mark.parametrize("past", PASTS[1:])
def test_a_step_after_a_prompt_gives_what_one_call_gives(
    past: int, model: Any, config: _Windowed
) -> None:
    whole = _feed(config, 0, past + 2)
    expected = call_reference(model, config, whole)
    prompt = {name: tensor[:, :past] for name, tensor in whole.items() if tensor.ndim == 2}
    empty = {name: tensor for name, tensor in whole.items() if tensor.ndim > 2}
    for run in (call_reference, _wrapped):
        first = run(model, config, prompt | empty)
        cache = {e.name: torch.from_numpy(first[e.present]) for e in config.cache}
        new = {name: whole[name][:, past:] for name in ("input_ids", "position_ids")}
        step = {**whole, **new, **cache}
        np.testing.assert_allclose(
            run(model, config, step)["logits"], expected["logits"][:, past:], atol=1e-4
        )


def _keep_one_more(layer: WindowLayer, tensor: torch.Tensor) -> torch.Tensor:
    return tensor[:, :, -layer.sliding_window :]


def _keep_all(layer: WindowLayer, tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _keep_the_first(layer: WindowLayer, tensor: torch.Tensor) -> torch.Tensor:
    return tensor[:, :, : layer.sliding_window - 1]


def _count_what_is_kept(layer: WindowLayer, window: int, seen: Any) -> None:
    super(WindowLayer, layer).__init__(sliding_window=window)  # type: ignore[call-arg]
    layer.cumulative_length = min(seen, window - 1)


def _number_kept_keys_from_0(layer: WindowLayer, query_length: int) -> tuple[int, int]:
    kept = layer.keys.shape[-2] if layer.keys is not None else 0
    return kept + query_length, 0


WRONG: list[tuple[str, Callable[..., Any]]] = [
    ("_kept", _keep_one_more),
    ("_kept", _keep_all),
    ("__init__", _count_what_is_kept),
    ("_kept", _keep_the_first),
    ("get_mask_sizes", _number_kept_keys_from_0),
]


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_a_wrong_wrapper_disagrees_with_the_reference(
    name: str,
    wrong: Callable[..., Any],
    model: Any,
    config: _Windowed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = _feed(config, 2 * WINDOW, 2)
    expected = call_reference(model, config, feed)
    monkeypatch.setattr(WindowLayer, name, wrong)
    assert compare(expected, _wrapped(model, config, feed), Tolerance.stated(1e-2)).findings


def test_a_reference_that_counts_what_is_kept_disagrees_with_the_wrapper(
    model: Any, config: _Windowed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = _feed(config, 2 * WINDOW, 2)
    expected = _wrapped(model, config, feed)
    monkeypatch.setattr(reference, "_tell_windows", lambda *_: None)
    found = call_reference(model, config, feed)
    assert compare(expected, found, Tolerance.stated(1e-2)).findings


@pytest.mark.parametrize("build", [call_reference, _wrapped])
def test_an_input_must_say_how_many_tokens_came_before(build: Any, model: Any) -> None:
    config = _WithoutMask(model.config, TASK)
    with pytest.raises(DescriptionError, match="no input says how many tokens came before"):
        build(model, config, _feed(config, 2, 1))


REQUIREMENTS = ("export", "interface", "dynamic-axes", "agreement", "padding", "cache")


def _judged() -> dict[str, tuple[Outcome, str]]:
    register("mistral", tasks=[TASK])(_Windowed)
    cell = CellId.parse(f"mistral/{TASK}/opset18/torchscript")
    records = judge_cell(cell, profile="smoke", requirements=list(REQUIREMENTS)).records
    return {record.requirement: (record.outcome, record.message) for record in records}


def test_a_decoder_of_windowed_layers_conforms() -> None:
    judged = _judged()
    assert {outcome for outcome, _ in judged.values()} == {Outcome.PASSED}, judged


@pytest.mark.parametrize(("name", "wrong"), WRONG[-2:])
def test_cache_refuses_files_that_continue_wrongly(
    name: str, wrong: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WindowLayer, name, wrong)
    outcome, message = _judged()["cache"]
    assert outcome is Outcome.FAILED
    assert "values of " in message


@pytest.mark.parametrize("past", PASTS)
def test_an_encoder_decoder_mixes_windows_and_full_layers(
    past: int, subject: Callable[..., Any]
) -> None:
    one = subject("t5gemma", "text2text-generation-with-past")
    part = one.config.parts["decoder_with_past_model"]
    kinds = {(entry.layer, entry.side, entry.kind) for entry in part.cache}
    assert kinds == {
        (0, CacheSide.DECODER, CacheKind.WINDOW),
        (0, CacheSide.ENCODER, CacheKind.CROSS),
        (1, CacheSide.DECODER, CacheKind.KEYS_VALUES),
        (1, CacheSide.ENCODER, CacheKind.CROSS),
    }
    feed = part.generate_dummy_inputs(past_decoder_sequence_length=past)
    expected = call_reference(one.model, part, feed)
    assert not compare(expected, _wrapped(one.model, part, feed), Tolerance.stated(1e-4)).findings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [(_keep_one_more, "shape of present.0.decoder.key"), (_keep_the_first, "values of ")],
)
def test_cache_refuses_parts_that_keep_other_tokens(
    wrong: Callable[..., Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WindowLayer, "_kept", wrong)
    cell = CellId.parse("t5gemma/text2text-generation-with-past/opset18/torchscript")
    (record,) = judge_cell(cell, profile="smoke", requirements=["cache"]).records
    assert record.outcome is Outcome.FAILED
    assert message in record.message
