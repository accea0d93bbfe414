"""Notes on a model name what a verdict does not cover."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.evidence.model_notes import notes_on_model

MODULES = [
    {"type": "sentence_transformers.models.Transformer", "path": ""},
    {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
    {"type": "sentence_transformers.models.Dense", "path": "2_Dense"},
    {"type": "sentence_transformers.models.Normalize", "path": "3_Normalize"},
]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_weights_of_another_type_are_named(
    dtype: str, fresh_subject: Callable[..., Any], tmp_path: Path
) -> None:
    import torch

    model = fresh_subject("bert", "fill-mask").model.to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    (note,) = notes_on_model(tmp_path)
    assert note.startswith(f"the checkpoint has {dtype} weights")
    assert "`export` writes float32" in note


def test_a_plain_checkpoint_has_no_notes_whatever_its_configuration_says(
    fresh_subject: Callable[..., Any], tmp_path: Path
) -> None:
    fresh_subject("bert", "fill-mask").model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "dtype": "float16"}))
    assert notes_on_model(tmp_path) == ()


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
def test_without_safetensors_the_type_of_the_configuration_counts(key: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", key: "bfloat16"}))
    (note,) = notes_on_model(tmp_path)
    assert "bfloat16" in note


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, b"\x02\0\0\0\0\0\0\0[]", b"\x01\0\0\0\0\0\0\0{"]
)
def test_a_broken_header_is_left_to_the_loader(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert notes_on_model(tmp_path) == ()


def test_the_modules_after_a_transformer_are_named(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps(MODULES))
    (note,) = notes_on_model(tmp_path)
    assert "sentence-transformers model (modules.json)" in note
    assert note.endswith("without Pooling and Dense and Normalize")


@pytest.mark.parametrize("modules", [MODULES[:1], {}, [], ["text", 5]])
def test_other_modules_are_no_note(modules: Any, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    assert notes_on_model(tmp_path) == ()
