"""Recognises model folders that are something else than a checkpoint of transformers.

It reads names of files, their first bytes and JSON, and imports nothing heavy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError

CONFIG = "config.json"
MODULES = "modules.json"
ADAPTER = "adapter_config.json"
PIPELINE = "model_index.json"
LFS_HEAD = b"version https://git-lfs"
LFS_SIZE = 1024
"""The specification limits a pointer to less than 1024 bytes:
https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md"""

WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
TIMM_TYPES = (None, "timm_wrapper")
"""timm writes no model type; transformers adds its own one when it reads such a configuration."""

QUANTISATION_KEYS = ("quantization_config", "compression_config")
QUANTISATION_FILES = ("quantize_config.json", "quant_config.json")
"""Written by releases of AutoGPTQ and AutoAWQ that left config.json as it was."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder given as a model."""

    path: Path

    @property
    def config(self) -> Mapping[str, Any]:
        """The content of config.json; empty if it is missing or invalid, which others report."""
        content = self.json(CONFIG)
        return content if isinstance(content, dict) else {}

    @property
    def modules(self) -> list[Mapping[str, Any]]:
        """The modules of a sentence-transformers model, in order; empty for other folders."""
        content = self.json(MODULES)
        modules = content if isinstance(content, list) else []
        return [module for module in modules if isinstance(module, dict)]

    @property
    def weights(self) -> list[Path]:
        """The files of weights that transformers loads: safetensors first, else pickles."""
        return next(filter(None, map(self.match, WEIGHTS)), [])

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def match(self, pattern: str) -> list[Path]:
        return sorted(self.path.glob(pattern))

    def json(self, name: str) -> Any:
        """Return the content of a JSON file; None if it is missing or invalid."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def require_checkpoint(folder: Path) -> None:
    """Raise UsageError, one line with the thing to do, if a folder is something else."""
    found = ModelFolder(folder)
    for recognise in _RECOGNISERS:
        problem = recognise(found)
        if problem is not None:
            raise UsageError(f"model folder {folder} {problem}")


def explain_configuration(config: Mapping[str, Any]) -> str | None:
    """Return the problem of a configuration that is no plain one of transformers; else None.

    `config` is the content of config.json.
    """
    return _explain_timm(config) or explain_quantised(config)


def explain_without_configuration(fetch: Callable[[str], Path | None]) -> str | None:
    """Return the problem of a model of the hub that has no config.json, if it is known.

    `fetch` returns the path of a file of this name, None if the model has no such file.
    """
    for name, recognise in ((ADAPTER, _adapter), (PIPELINE, _pipeline)):
        path = fetch(name)
        if path is not None:
            return recognise(ModelFolder(path.parent))
    return None


def transformer_folder(folder: Path) -> Path:
    """Return the folder of the transformer; for all but old sentence-transformers the same one.

    Old releases of sentence-transformers save the transformer in a folder of its own.
    """
    modules = ModelFolder(folder).modules
    if (folder / CONFIG).is_file() or not modules:
        return folder
    inner = folder / str(modules[0].get("path", ""))
    return inner if (inner / CONFIG).is_file() else folder


def is_lfs_pointer(path: Path) -> bool:
    """Whether a file is the pointer that Git leaves if Git LFS did not fetch the file itself."""
    try:
        if path.stat().st_size >= LFS_SIZE:
            return False
        with path.open("rb") as file:
            return file.read(len(LFS_HEAD)) == LFS_HEAD
    except OSError:
        return False


def explain_lfs_pointer(path: Path) -> str:
    """Return the problem of a Git LFS pointer, and what to do."""
    return (
        f"{path.name} is a Git LFS pointer instead of the file itself; run `git lfs pull` in "
        f"{path.parent}"
    )


def explain_quantised(config: Mapping[str, Any]) -> str | None:
    """Return the problem of a configuration, also a nested one, with quantised weights; else None.

    `config` is the content of config.json.
    """
    for key in QUANTISATION_KEYS:
        if settings := config.get(key):
            method = settings.get("quant_method") if isinstance(settings, Mapping) else None
            return _quantised(f"{key} in {CONFIG}", method or "an unnamed method")
    nested = (value for value in config.values() if isinstance(value, Mapping))
    return next(filter(None, map(explain_quantised, nested)), None)


def _quantised(source: str, method: str) -> str:
    return (
        f"has weights quantised by {method} ({source}), which are not judged; give the original "
        "checkpoint, before quantisation"
    )


def _lfs_pointer(folder: ModelFolder) -> str | None:
    files = [folder.path / CONFIG, *folder.weights]
    pointers = (path for path in files if is_lfs_pointer(path))
    return next((f"is incomplete: {explain_lfs_pointer(path)}" for path in pointers), None)


def _adapter(folder: ModelFolder) -> str | None:
    if not folder.has(ADAPTER) or folder.weights:
        return None
    settings = folder.json(ADAPTER)
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    return (
        f"is a PEFT adapter such as LoRA ({ADAPTER}); merge it into its base model "
        f"{base or '(not named)'} first, with merge_and_unload() of peft, and give the saved result"
    )


def _pipeline(folder: ModelFolder) -> str | None:
    index = folder.json(PIPELINE)
    if folder.has(CONFIG) or not isinstance(index, dict):
        return None
    parts = [
        name
        for name, value in index.items()
        if isinstance(value, list) and value[:1] == ["transformers"]
    ]
    models = [name for name in parts if (folder.path / name / CONFIG).is_file()]
    return (
        f"is a diffusers pipeline ({PIPELINE}), which is not supported; give one of its "
        f"transformers models ({', '.join(models) or 'it has none'})"
    )


def _only_gguf(folder: ModelFolder) -> str | None:
    files = folder.match("*.gguf")
    if not files or folder.weights:
        return None
    return (
        f"has only GGUF weights ({files[0].name}), which are not judged; give the original "
        "checkpoint, or load it with from_pretrained(gguf_file=...) and save it with "
        "save_pretrained()"
    )


def _only_onnx(folder: ModelFolder) -> str | None:
    files = [*folder.match("*.onnx"), *folder.match("onnx/*.onnx")]
    if not files or folder.weights:
        return None
    return (
        f"has ONNX files ({files[0].relative_to(folder.path)}) and no PyTorch weights; --model is "
        "the PyTorch model that they were exported from, and `check` takes the files"
    )


def _timm(folder: ModelFolder) -> str | None:
    return _explain_timm(folder.config)


def _explain_timm(config: Mapping[str, Any]) -> str | None:
    if config.get("model_type") not in TIMM_TYPES or not config.keys() & {
        "architecture",
        "pretrained_cfg",
    }:
        return None
    return (
        f"is a timm model ({config.get('architecture', 'unnamed')}), not one of transformers, and "
        "is not supported; give a checkpoint of transformers with a model_type in its config.json"
    )


def _quantised_weights(folder: ModelFolder) -> str | None:
    by_file = (_quantised(f, "GPTQ or AWQ") for f in QUANTISATION_FILES if folder.has(f))
    return explain_quantised(folder.config) or next(by_file, None)


_RECOGNISERS: tuple[Callable[[ModelFolder], str | None], ...] = (
    _adapter,
    _lfs_pointer,
    _pipeline,
    _only_gguf,
    _only_onnx,
    _timm,
    _quantised_weights,
)
"""Each returns the problem of a folder of its kind, and what to do; else None."""
