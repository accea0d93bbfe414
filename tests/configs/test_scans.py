"""Rewritten recurrences of a prompt: the results of transformers' own, at every length."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from transformers.models.qwen3_next.modeling_qwen3_next import torch_chunk_gated_delta_rule

from harness import TasksManager
from harness.configs.architectures.qwen3_next import CHUNK_SIZE
from harness.evidence.models import tiny_model
from harness.exporters._wrapper import export_copy

TASK = "text-generation-with-past"
BELOW_AT_AND_ABOVE_CHUNKS = {
    "granitemoehybrid": (1, 3, 4, 5, 8, 9),
    "mamba": (1, 3, 4, 5, 8, 9),
    "qwen3_next": (1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1),
}


def described(model: Any) -> Any:
    return TasksManager.get_exporter_config_constructor("onnx", model, task=TASK)(model.config)


def states(cache: Any) -> list[torch.Tensor]:
    layers = (layer for layer in cache.layers if hasattr(layer, "recurrent_states"))
    return [layer.recurrent_states[0] for layer in layers]


@pytest.mark.parametrize(
    ("architecture", "length"),
    [(name, size) for name, sizes in BELOW_AT_AND_ABOVE_CHUNKS.items() for size in sizes],
)
def test_a_rewritten_recurrence_gives_the_outputs_and_states_of_transformers(
    architecture: str, length: int
) -> None:
    model: Any = tiny_model(architecture, TASK)
    config = described(model)
    rewritten = config.patch_model_for_export(export_copy(model))
    ids = torch.randint(0, 107, (2, length), generator=torch.Generator().manual_seed(length))
    mask = torch.ones_like(ids)
    mask[0, 0] = 0
    with torch.no_grad():
        expected, got = (
            m(input_ids=ids, attention_mask=mask, use_cache=True) for m in (model, rewritten)
        )
    torch.testing.assert_close(got.logits, expected.logits, rtol=0, atol=config.atol)
    for kept, known in zip(
        states(got.past_key_values), states(expected.past_key_values), strict=True
    ):
        torch.testing.assert_close(kept, known, rtol=0, atol=config.atol)


def test_position_ids_are_taken_only_if_the_model_rotates() -> None:
    model: Any = tiny_model("granitemoehybrid", TASK)
    rotating = described(model)
    assert all("position_ids" in part.inputs for part in rotating.parts.values())
    model.config.position_embedding_type = "nope"
    plain = described(model)
    assert not any("position_ids" in part.inputs for part in plain.parts.values())
    assert not plain.position_reaches


def test_the_chunk_of_the_delta_rule_is_the_default_of_transformers() -> None:
    parameters = inspect.signature(torch_chunk_gated_delta_rule).parameters
    assert parameters["chunk_size"].default == CHUNK_SIZE
