"""Every change that an exporter could leave in a model is reported by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.evidence.model_state import capture_state, changes
from harness.evidence.models import tiny_model


def _set_data(model: Any) -> None:
    model.cls.predictions.decoder.bias.data[3] += 1


def _replace_module(model: Any) -> None:
    model.bert.encoder.layer[1].output.dropout = torch.nn.Identity()


def _leave_gradient(model: Any) -> None:
    model.bert.embeddings.LayerNorm.weight.sum().backward()


def _patch_class(model: Any) -> None:
    kind = type(model.bert.pooler or model.bert.embeddings)
    forward = kind.forward
    kind.forward = lambda *args, **keywords: forward(*args, **keywords)


CHANGES: list[tuple[Callable[[Any], object], str]] = [
    (_set_data, "values of cls.predictions.bias and 1 more"),
    (lambda model: model.bert.embeddings.word_embeddings.half(), "dtype of bert.embeddings.word_"),
    (lambda model: model.to("meta"), "device of "),
    (lambda model: model.bert.encoder.requires_grad_(False), "requires_grad of bert.encoder."),
    (_leave_gradient, "grad of bert.embeddings.LayerNorm.weight"),
    (_replace_module, "class of bert.encoder.layer.1.output.dropout"),
    (
        lambda model: model.bert.encoder.layer[0].train(),
        "training mode of bert.encoder.layer.0 and",
    ),
    (lambda model: model.bert.register_forward_pre_hook(print), "hooks of bert"),
    (lambda model: setattr(model.bert, "forward", print), "methods of bert"),
    (_patch_class, "methods of bert.embeddings"),
    (lambda model: setattr(model.config, "use_cache", False), "settings of config.use_cache"),
    (lambda model: model.set_attn_implementation("eager"), "settings of config._attn_impl"),
]


@pytest.mark.parametrize(("change", "text"), CHANGES, ids=[text for _, text in CHANGES])
def test_a_change_is_reported(
    change: Callable[[Any], object], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = tiny_model("bert", "fill-mask")
    embeddings = type(model.bert.embeddings)
    monkeypatch.setattr(embeddings, "forward", embeddings.forward)  # put back after the test
    before = capture_state(model)
    change(model)
    assert any(found.startswith(text) for found in changes(before, capture_state(model)))


def test_a_call_does_not_change_the_state() -> None:
    model: Any = tiny_model("gpt2", "text-generation-with-past")
    before = capture_state(model)
    model(input_ids=torch.ones(2, 3, dtype=torch.long))
    assert list(changes(before, capture_state(model))) == []
