"""Equal models have equal fingerprints; the fingerprint of an unpicklable model is None."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from harness.evidence.models import tiny_model
from harness.exporters._fingerprint import fingerprint


def test_a_model_built_again_has_the_same_digest() -> None:
    first, again = (fingerprint(tiny_model("t5", "text2text-generation")) for _ in range(2))
    assert first is not None
    assert first == again


def test_hooks_count_by_their_order_and_not_by_their_number() -> None:
    assert fingerprint(_hooked(2.0)) == fingerprint(_hooked(2.0))
    assert fingerprint(_hooked(2.0)) != fingerprint(_hooked(3.0))


def test_a_flag_about_hooks_is_no_hook() -> None:
    """transformers marks a model whose layers it watches with `_..._hooks_installed = True`."""
    flagged = _hooked(2.0)
    flagged._capturing_hooks_installed = True
    assert fingerprint(flagged) is not None
    assert fingerprint(flagged) != fingerprint(_hooked(2.0))


def _hooked(factor: float) -> nn.Module:
    def scale(module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return tuple(factor * value for value in args)

    model = nn.ReLU()
    model.register_forward_pre_hook(scale)
    return model


def _change_weight(model: Any) -> None:
    with torch.no_grad():
        model.bert.encoder.layer[1].output.dense.bias[3] += 1e-7


def _change_buffer(model: Any) -> None:
    model.bert.embeddings.position_ids[0, 2] = 5


def _change_attribute(model: Any) -> None:
    model.bert.encoder.layer[0].attention.output.LayerNorm.eps = 1e-3


def _change_setting(model: Any) -> None:
    model.config.hidden_act = "relu"


def _change_attention(model: Any) -> None:
    model.set_attn_implementation("eager")


def _change_mode(model: Any) -> None:
    model.bert.encoder.train()


@pytest.mark.parametrize(
    "change",
    [
        _change_weight,
        _change_buffer,
        _change_attribute,
        _change_setting,
        _change_attention,
        _change_mode,
    ],
)
def test_a_change_anywhere_changes_the_digest(change: Callable[[Any], None]) -> None:
    model = tiny_model("bert", "fill-mask")
    before = fingerprint(model)
    change(model)
    assert fingerprint(model) not in {before, None}


def test_one_tensor_twice_is_not_two_equal_ones() -> None:
    one = torch.ones(3)
    assert fingerprint(one, one) != fingerprint(one, torch.ones(3))
    assert fingerprint(one, one[:]) != fingerprint(one, torch.ones(3))


def test_an_object_that_cannot_be_pickled_has_no_fingerprint() -> None:
    assert fingerprint(nn.ReLU(), threading.Lock()) is None
