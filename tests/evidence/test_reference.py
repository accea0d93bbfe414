"""The reference is eager PyTorch called directly, without the exporters' wrapper."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from harness.evidence.models import tiny_model
from harness.evidence.reference import call_reference
from harness.evidence.tolerance import Tolerance
from harness.exporters._wrapper import FlatModel, export_copy
from harness.requirements.shared.comparison import compare

TASK = "text-generation-with-past"


class _CrossedCache(DynamicCache):
    """A cache whose constructor reverses the layers; only the wrapper fills caches that way."""

    def __init__(self, layers: Any = None, *, config: Any = None) -> None:
        super().__init__(layers[::-1] if layers else None, config=config)


def _flat_outputs(one: Any, feed: dict[str, torch.Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    flat = FlatModel(export_copy(one.model), one.config)
    with torch.no_grad():
        tensors = flat(*feed.values())
    return {name: t.numpy() for name, t in zip(flat.output_names, tensors, strict=True)}


def test_wrapper_and_reference_take_members_of_a_tuple_by_number(
    subject: Callable[..., Any],
) -> None:
    one = subject("mgp-str", "feature-extraction")
    feed = one.config.generate_dummy_inputs()
    expected = call_reference(one.model, one.config, feed)
    with torch.no_grad():
        logits = one.model(**feed).logits
    assert [tuple(t.shape) for t in expected.values()] == [tuple(t.shape) for t in logits]
    assert not compare(expected, _flat_outputs(one, feed), Tolerance.stated(1e-6)).findings


@pytest.mark.parametrize("past", [0, 1, 6])
def test_wrapper_and_reference_agree_when_both_are_right(
    past: int, subject: Callable[..., Any]
) -> None:
    one = subject("gpt2", TASK)
    feed = one.config.generate_dummy_inputs(past_sequence_length=past)
    reference = call_reference(one.model, one.config, feed)
    assert list(reference) == list(one.config.outputs)
    assert compare(reference, _flat_outputs(one, feed), Tolerance.stated(1e-6)).findings == ()


def test_a_wrapper_that_crosses_two_cache_layers_disagrees(
    subject: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = subject("gpt2", TASK)
    feed = one.config.generate_dummy_inputs()
    monkeypatch.setattr("transformers.DynamicCache", _CrossedCache)
    reference = call_reference(one.model, one.config, feed)
    assert compare(reference, _flat_outputs(one, feed), Tolerance.stated(1e-2)).findings


def test_a_wrapper_that_drops_a_keyword_disagrees(subject: Callable[..., Any]) -> None:
    one = subject("bert", "fill-mask")
    feed = one.config.generate_dummy_inputs()
    reference = call_reference(one.model, one.config, feed)
    feed["attention_mask"] = torch.ones_like(feed["attention_mask"])
    assert compare(reference, _flat_outputs(one, feed), Tolerance.stated(1e-2)).findings


def test_a_model_in_train_mode_runs_in_eval_mode_and_has_its_mode_back(
    subject: Callable[..., Any],
) -> None:
    one = subject("bert", "fill-mask")
    model = copy.deepcopy(one.model).train()
    model.bert.embeddings.eval()
    modes = [module.training for module in model.modules()]
    feed = one.config.generate_dummy_inputs()
    reference = call_reference(model, one.config, feed)
    assert (
        compare(
            call_reference(one.model, one.config, feed), reference, Tolerance.stated(0.0)
        ).findings
        == ()
    )
    assert [module.training for module in model.modules()] == modes


def test_a_tiny_model_is_the_same_every_time_and_ready_to_judge() -> None:
    first, again = (
        tiny_model("vit", "image-classification"),
        tiny_model("vit", "image-classification"),
    )
    weights = [p.detach() for p in first.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(weights, again.parameters(), strict=True))
    assert not first.training
    assert {p.dtype for p in weights} == {torch.float32}


def test_a_tiny_model_reacts_to_its_mask(subject: Callable[..., Any]) -> None:
    one = subject("bert", "feature-extraction")
    feed = one.config.generate_dummy_inputs(sequence_length=12)
    masked = call_reference(one.model, one.config, feed)["last_hidden_state"]
    feed["attention_mask"] = torch.ones_like(feed["attention_mask"])
    unmasked = call_reference(one.model, one.config, feed)["last_hidden_state"]
    assert np.abs(masked - unmasked).max() > 1000 * one.config.atol
