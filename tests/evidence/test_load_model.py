"""Errors of loading a model name the problem of its folder in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import BertConfig

from harness import TasksManager, UsageError
from harness.evidence.models import load_model


@pytest.fixture
def saved(subject: Callable[..., Any], tmp_path: Path) -> Path:
    subject("bert", "feature-extraction").model.save_pretrained(tmp_path)
    return tmp_path


def test_a_saved_model_comes_back_in_eval_mode(saved: Path) -> None:
    model = load_model("feature-extraction", saved)
    assert not model.training
    assert model.config.model_type == "bert"


def test_weights_that_the_task_needs_are_not_drawn_at_random(saved: Path) -> None:
    with pytest.raises(UsageError, match=r"lacks \d+ weights that fill-mask needs, such as cls"):
        load_model("fill-mask", saved)


def test_a_folder_without_configuration(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no config\.json"):
        load_model("fill-mask", tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model_type"'])
def test_a_broken_configuration(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match=r"config\.json: no model_type can be read"):
        load_model("fill-mask", tmp_path)


def test_a_model_type_that_transformers_lacks(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "brt"}))
    with pytest.raises(UsageError, match="model type 'brt' is not part of transformers"):
        load_model("fill-mask", tmp_path)


def test_missing_weights(tmp_path: Path) -> None:
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="cannot be loaded"):
        load_model("fill-mask", tmp_path)


def test_corrupt_weights(saved: Path) -> None:
    (saved / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UsageError, match="weights are unreadable"):
        load_model("feature-extraction", saved)


def test_a_task_that_the_architecture_does_not_have(saved: Path) -> None:
    with pytest.raises(UsageError, match="task 'masked-im' is not registered for bert"):
        load_model("masked-im", saved)


def test_a_path_to_a_file_is_not_taken_for_a_hub_id(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        load_model("fill-mask", tmp_path / "file")


def test_the_manager_loads_by_task(saved: Path) -> None:
    model = TasksManager.get_model_from_task("default", saved)
    assert type(model).__name__ == "BertModel"
