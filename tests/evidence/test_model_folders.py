"""Folders that are no checkpoint of transformers are recognised, each in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import UsageError
from harness.evidence.model_folders import (
    is_lfs_pointer,
    require_checkpoint,
    transformer_folder,
)
from harness.evidence.model_notes import notes_on_model
from harness.evidence.models import load_model, read_model_type
from harness.evidence.onnx_file import parse_onnx

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
BERT = {"model_type": "bert"}
FILES: dict[str, dict[str, Any]] = {
    "lora": {"adapter_config.json": {"base_model_name_or_path": "org/base"}},
    "unnamed lora": {"adapter_config.json": {}, "config.json": BERT},
    "lfs safetensors": {"config.json": BERT, "model-00001-of-00002.safetensors": POINTER},
    "lfs bin": {"config.json": BERT, "pytorch_model.bin": POINTER},
    "gptq": {"config.json": {**BERT, "quantization_config": {"quant_method": "gptq"}}},
    "nested awq": {
        "config.json": {
            "model_type": "gemma3",
            "text_config": {"quantization_config": {"quant_method": "awq", "bits": 4}},
        }
    },
    "bitsandbytes": {
        "config.json": {
            **BERT,
            "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True},
        }
    },
    "old gptq": {"config.json": BERT, "quantize_config.json": {"bits": 4}},
    "timm": {"config.json": {"architecture": "resnet18", "pretrained_cfg": {}}},
    "diffusers": {
        "model_index.json": {
            "_class_name": "StableDiffusionPipeline",
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
        },
        "text_encoder/config.json": {"model_type": "clip_text_model"},
    },
    "gguf": {"config.json": BERT, "model-q4.gguf": "GGUF"},
    "onnx": {"config.json": BERT, "model.onnx": ""},
    "onnx folder": {"config.json": BERT, "onnx/model.onnx": ""},
}


def write(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (
            "lora",
            ["PEFT adapter such as LoRA", "its base model org/base first", "merge_and_unload"],
        ),
        ("unnamed lora", ["PEFT adapter", "(not named)"]),
        ("lfs safetensors", ["model-00001-of-00002.safetensors is a Git LFS", "`git lfs pull`"]),
        ("lfs bin", ["pytorch_model.bin is a Git LFS pointer", "`git lfs pull`"]),
        ("gptq", ["quantised by gptq (quantization_config in config.json)", "original checkpoint"]),
        ("nested awq", ["quantised by awq", "not judged"]),
        ("bitsandbytes", ["quantised by bitsandbytes", "original checkpoint"]),
        ("old gptq", ["quantised by GPTQ or AWQ (quantize_config.json)"]),
        ("timm", ["timm model (resnet18)", "model_type"]),
        ("diffusers", ["diffusers pipeline (model_index.json)", "(text_encoder)"]),
        ("gguf", ["only GGUF weights (model-q4.gguf)", "gguf_file"]),
        ("onnx", ["ONNX files (model.onnx) and no PyTorch weights", "--model"]),
        ("onnx folder", ["ONNX files (onnx/model.onnx)"]),
    ],
)
def test_another_kind_of_folder_is_named_with_the_thing_to_do(
    kind: str, parts: list[str], tmp_path: Path
) -> None:
    folder = write(tmp_path, FILES[kind])
    with pytest.raises(UsageError, match=rf"^model folder {folder} (is|has) ") as caught:
        read_model_type(folder)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "beside",
    [
        {"adapter_config.json": {}, "adapter_model.safetensors": ""},
        {"pytorch_model.bin": POINTER},
        {"model.onnx": "", "onnx/model.onnx": POINTER},
        {"model.gguf": "GGUF"},
        {"model_index.json": {"unet": ["diffusers", "UNet2DConditionModel"]}},
        {"modules.json": [{"type": "Transformer", "path": ""}]},
    ],
    ids=lambda files: next(iter(files)),
)
def test_a_checkpoint_with_other_files_beside_it_stays_one(
    beside: dict[str, Any], tmp_path: Path
) -> None:
    require_checkpoint(write(tmp_path, {"config.json": BERT, "model.safetensors": "-", **beside}))


@pytest.mark.parametrize("settings", [None, {}])
def test_an_empty_quantisation_config_is_no_quantisation(settings: Any, tmp_path: Path) -> None:
    require_checkpoint(write(tmp_path, {"config.json": {**BERT, "quantization_config": settings}}))


def test_a_large_file_is_no_pointer(tmp_path: Path) -> None:
    write(tmp_path, {"small": POINTER, "large": POINTER + "x" * 2000})
    assert is_lfs_pointer(tmp_path / "small")
    assert not is_lfs_pointer(tmp_path / "large")
    assert not is_lfs_pointer(tmp_path / "missing")


def test_a_pointer_in_place_of_an_onnx_file(tmp_path: Path) -> None:
    write(tmp_path, {"model.onnx": POINTER})
    with pytest.raises(UsageError, match=r"model\.onnx is a Git LFS pointer .*`git lfs pull`"):
        parse_onnx(tmp_path / "model.onnx")


def test_the_type_in_a_configuration_is_no_typing_error(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": {"model_type": "zamba"}, "model.safetensors": "-"})
    said = r"config\.json: model type 'zamba': transformers"
    with pytest.raises(UsageError, match=said) as found:
        read_model_type(tmp_path)
    assert "did you mean" not in str(found.value)


def test_a_transformer_in_a_folder_of_its_own_is_loaded(
    subject: Callable[..., Any], tmp_path: Path
) -> None:
    """Old releases of sentence-transformers save `0_Transformer` beside `modules.json`."""
    modules = [
        {"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
    ]
    subject("bert", "feature-extraction").model.save_pretrained(tmp_path / "0_Transformer")
    write(tmp_path, {"modules.json": modules})
    assert transformer_folder(tmp_path) == tmp_path / "0_Transformer"
    assert load_model("feature-extraction", tmp_path).config.model_type == "bert"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], str]:
    """Write a model into an empty cache of the hub, which is offline; returns its id."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def store(files: dict[str, Any]) -> str:
        folder = tmp_path / "models--org--name"
        write(folder / "snapshots" / "abc", files)
        write(folder / "refs", {"main": "abc"})
        return "org/name"

    return store


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "zamba"}, "model 'org/name': model type 'zamba': transformers"),
        ({"model_type": "codetiny"}, "model 'org/name': model type 'codetiny' is not part of"),
        ({**BERT, "quantization_config": {"quant_method": "awq"}}, "quantised by awq"),
        ({"architecture": "resnet18", "pretrained_cfg": {}}, r"is a timm model \(resnet18\)"),
    ],
)
def test_models_of_the_hub_are_explained_too(
    config: dict[str, Any], said: str, cached: Callable[[dict[str, Any]], str]
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read_model_type(cached({"config.json": config}))
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("kind", ["lora", "diffusers"])
def test_models_of_the_hub_without_configuration_are_explained(
    kind: str, cached: Callable[[dict[str, Any]], str]
) -> None:
    with pytest.raises(UsageError, match=r"^model 'org/name' is a (PEFT adapter|diffusers pipe)"):
        read_model_type(cached(FILES[kind]))


def test_an_unknown_model_of_the_hub_cannot_be_loaded(
    cached: Callable[[dict[str, Any]], str],
) -> None:
    with pytest.raises(UsageError, match=r"^model 'org/name' cannot be loaded: "):
        read_model_type(cached({"README.md": ""}))
    assert notes_on_model("org/name") == ()


def test_models_of_the_hub_are_noted_too(cached: Callable[[dict[str, Any]], str]) -> None:
    modules = [{"type": "models.Transformer", "path": ""}, {"type": "models.Pooling"}]
    name = cached({"config.json": {**BERT, "dtype": "float16"}, "modules.json": modules})
    assert read_model_type(name) == "bert"
    first, second = notes_on_model(name)
    assert "float16" in first
    assert "without Pooling" in second
