"""What calls leave behind in a model never reaches the reference of another example."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness import LlamaOnnxConfig
from harness.evidence.fresh_state import fresh_state
from harness.evidence.models import tiny_model
from harness.evidence.reference import call_in_steps, call_reference

TASK = "text-generation-with-past"
TABLE = 32
"""Positions of `llama~dynamic` before its frequencies are stretched."""


@pytest.fixture
def dynamic() -> Any:
    return tiny_model("llama", TASK, "dynamic")


def _feed(length: int) -> dict[str, torch.Tensor]:
    past = {
        f"past_key_values.{layer}.{kind}": torch.zeros(1, 2, 0, 6)
        for layer in (0, 1)
        for kind in ("key", "value")
    }
    return {
        "input_ids": torch.arange(3, 3 + length)[None],
        "attention_mask": torch.ones(1, length, dtype=torch.int64),
        "position_ids": torch.arange(length)[None],
        **past,
    }


def _logits(model: Any, length: int) -> np.ndarray[Any, Any]:
    config = LlamaOnnxConfig(model.config, task=TASK)
    return call_reference(model, config, _feed(length))["logits"]


def test_a_model_that_stretches_its_frequencies_remembers_a_longer_call(dynamic: Any) -> None:
    """Without this, the other tests prove nothing."""
    tokens = _feed(TABLE)["input_ids"]
    with torch.no_grad():
        before = dynamic(tokens).logits
        dynamic(_feed(TABLE + 8)["input_ids"])
        assert (dynamic(tokens).logits - before).abs().max() > 1e-2


def test_a_reference_does_not_depend_on_earlier_examples(dynamic: Any) -> None:
    before = _logits(dynamic, TABLE)
    _logits(dynamic, TABLE + 8)
    assert _logits(dynamic, TABLE).tobytes() == before.tobytes()


def test_a_model_that_was_used_before_is_judged_as_new_and_comes_back_as_it_was(
    dynamic: Any,
) -> None:
    before, rotary = _logits(dynamic, TABLE), dynamic.model.rotary_emb
    with torch.no_grad():
        dynamic(_feed(TABLE + 8)["input_ids"])
    used = rotary.inv_freq
    assert _logits(dynamic, TABLE).tobytes() == before.tobytes()
    assert rotary.inv_freq is used
    assert int(rotary.max_seq_len_cached) == TABLE + 8


def test_the_steps_of_one_sequence_share_what_the_model_remembers(dynamic: Any) -> None:
    """The second step stays below the stretched length, so it has the frequencies of the first."""
    config = LlamaOnnxConfig(dynamic.config, task=TASK)
    feed = _feed(4)
    feed["position_ids"] = torch.tensor([[37, 38, 39, 33]])
    got = call_in_steps(dynamic, config, feed, (3, 4))
    with torch.no_grad():
        first = dynamic(feed["input_ids"][:, :3], position_ids=feed["position_ids"][:, :3])
        last = dynamic(
            feed["input_ids"][:, 3:],
            position_ids=feed["position_ids"][:, 3:],
            past_key_values=first.past_key_values,
        )
    expected = torch.cat([first.logits, last.logits], dim=1).numpy()
    assert got["logits"].tobytes() == expected.tobytes()
    assert list(got) == list(config.outputs)
    assert got["present.1.key"].shape == (1, 2, 4, 6)


class _Remembering(torch.nn.Module):
    """Changes an attribute, a buffer in place and the set of buffers, then raises."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(2), persistent=False)
        self.calls = 0

    def forward(self) -> None:
        self.calls += 1
        self.later = True
        self.table.add_(1)
        self.register_buffer("grown", torch.ones(3), persistent=False)
        raise ZeroDivisionError


def test_attributes_and_buffers_are_as_before_a_call_that_raises() -> None:
    model = torch.nn.Sequential(_Remembering())
    (inner,) = model
    before = set(vars(inner))
    with pytest.raises(ZeroDivisionError), fresh_state(model):
        inner()
    assert set(vars(inner)) == before
    assert (inner.calls, inner.table.tolist()) == (0, [0.0, 0.0])
    assert list(dict(inner.named_buffers())) == ["table"]


class _Narrows(torch.nn.Module):
    """Keeps the narrowest window that an input needed, as the layers of Swin do."""

    def __init__(self) -> None:
        super().__init__()
        self.window = 4

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.window = min(self.window, values.shape[-1])
        return values[..., : self.window]


def test_a_module_that_overwrites_a_setting_has_it_back() -> None:
    model = torch.nn.Sequential(_Narrows())
    for length in (2, 9):
        with fresh_state(model):
            assert model(torch.zeros(1, length)).shape == (1, min(4, length))
    assert model[0].window == 4
