"""Files of rotary embeddings that adapt to the length of a call, on both sides of the switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from harness import LlamaOnnxConfig, export
from harness.evidence.models import perturb, tiny_model, tiny_settings
from harness.evidence.reference import call_reference
from harness.exporters import _rotary
from harness.exporters._rotary import DYNAMIC, LONGROPE, without_rotary_memory
from harness.exporters._wrapper import export_copy
from tests.gate import full

TASK = "text-generation"
SWITCHES = {"llama~dynamic": 32, "phi3~longrope": 16}


def _feed(length: int) -> dict[str, torch.Tensor]:
    return {
        "input_ids": torch.arange(3, 3 + length).repeat(2, 1),
        "attention_mask": torch.ones(2, length, dtype=torch.int64),
        "position_ids": torch.arange(length).repeat(2, 1),
    }


def _differences(model: Any, path: Path, lengths: tuple[int, ...]) -> list[float]:
    config, session = LlamaOnnxConfig(model.config, TASK), onnxruntime.InferenceSession(path)
    found = []
    for length in lengths:
        feed = _feed(length)
        expected = call_reference(model, config, feed)["logits"]
        (got,) = session.run(None, {name: tensor.numpy() for name, tensor in feed.items()})
        found.append(float(np.abs(expected - got).max()))
    return found


def _model(name: str) -> Any:
    architecture, _, variant = name.partition("~")
    return tiny_model(architecture, TASK, variant)


@pytest.mark.parametrize(
    ("name", "exporter"),
    [
        pytest.param("llama~dynamic", "dynamo", marks=full),
        ("llama~dynamic", "torchscript"),
        ("phi3~longrope", "torchscript"),
    ],
)
def test_a_file_follows_eager_on_both_sides_of_the_switch(
    name: str, exporter: str, tmp_path: Path
) -> None:
    model, switch = _model(name), SWITCHES[name]
    path = tmp_path / "model.onnx"
    export(model, LlamaOnnxConfig(model.config, TASK), path, opset=18, exporter=exporter)
    lengths = (3, switch - 1, switch, switch + 1, 2 * switch)
    assert max(_differences(model, path, lengths)) < 2e-4


def test_a_plain_trace_of_dynamic_scaling_is_wrong_beyond_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_rotary, "without_rotary_memory", lambda model, _: model)
    model = _model("llama~dynamic")
    path = tmp_path / "model.onnx"
    export(model, LlamaOnnxConfig(model.config, TASK), path, opset=18, exporter="torchscript")
    within, beyond = _differences(model, path, (32, 40))
    assert within < 2e-4
    assert beyond > 1e-2


def _nested() -> Any:
    """Gemma 3, whose layers see a window or all, each kind with a scaling of its own."""
    settings = tiny_settings("gemma3_text", TASK)
    stretched = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}
    settings["rope_parameters"] = {
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        "full_attention": stretched,
    }
    settings["max_position_embeddings"] = 32
    model: Any = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(settings.pop("model_type"), **settings)
    )
    perturb(model, seed=1, matrix_std=0.4, vector_std=0.3)
    return model.eval()


@pytest.mark.parametrize("name", [*SWITCHES, "gemma3_text"])
def test_the_copy_computes_what_eager_does_and_remembers_nothing(name: str) -> None:
    model = _model(name) if name in SWITCHES else _nested()
    config = LlamaOnnxConfig(model.config, TASK)
    copied = without_rotary_memory(export_copy(model), (DYNAMIC, LONGROPE))
    for length in (40, 3, 31, 32, 33, 17, 16):
        feed = _feed(length)
        expected = call_reference(model, config, feed)["logits"]
        with torch.no_grad():
            assert copied(**feed).logits.numpy() == pytest.approx(expected, abs=1e-5)


def test_other_models_are_left_alone() -> None:
    copied = without_rotary_memory(export_copy(_model("llama")), (DYNAMIC, LONGROPE))
    assert not any("forward" in vars(module) for module in copied.modules())
