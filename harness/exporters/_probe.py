"""The opsets that an exporter honours: found by trying, cached per set of installed versions.

torch.onnx may write another opset than requested, and only log this.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.configs.base import NamedAxes, OnnxConfig
from harness.configs.dummy_inputs import DummyInputGenerator
from harness.configs.feed_generators import Dims
from harness.configs.task_table import Axes
from harness.files import cache_directory, write_atomically
from harness.versions import installed_version

if TYPE_CHECKING:
    import torch
    from torch import nn

CANDIDATES = range(7, 29)
PACKAGES = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")


def installed_versions() -> dict[str, str]:
    """Return the versions that decide which opsets an exporter honours, by package."""
    return {package: installed_version(package) or "none" for package in PACKAGES}


def probed_opsets(name: str, write: Callable[[int, Path], None]) -> tuple[int, ...]:
    """Return the opsets at which `write(opset, path)` gives a loadable file of that opset.

    The first process probes, under a file lock; all others read its result. If the cache folder
    cannot be created, each process probes.
    """
    import filelock

    key = json.dumps([name, installed_versions()], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    directory = cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _probe(write)
    path = directory / f"opsets-{name}-{digest}.json"
    with filelock.FileLock(f"{path}.lock"):
        cached = _read(path)
        if cached is None:
            cached = _probe(write)
            write_atomically(path, json.dumps(cached))
    return cached


def _read(path: Path) -> tuple[int, ...] | None:
    try:
        opsets = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return tuple(opsets) if isinstance(opsets, list) and opsets else None


def _probe(write: Callable[[int, Path], None]) -> tuple[int, ...]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "probe.onnx"
        return tuple(opset for opset in CANDIDATES if _is_honoured(opset, write, path))


def _is_honoured(opset: int, write: Callable[[int, Path], None], path: Path) -> bool:
    import onnx
    import onnxruntime

    path.unlink(missing_ok=True)
    try:
        write(opset, path)
        imports = {entry.domain: entry.version for entry in onnx.load(path).opset_import}
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception:  # any failure means that the opset is not honoured
        return False
    return imports.get("", imports.get("ai.onnx")) == opset


class _ProbeInputs(DummyInputGenerator):
    SUPPORTED_INPUT_NAMES = ("ids",)

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        return self._integers(0, 5, (dims[0], dims[1]))


class _ProbeConfig(OnnxConfig):
    """Token ids in, features out."""

    DUMMY_INPUT_GENERATOR_CLASSES = (_ProbeInputs,)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"ids": {0: "batch_size", 1: "sequence_length"}}

    @property
    def outputs(self) -> NamedAxes:
        return NamedAxes(features={0: "batch_size"})


PROBE_CONFIG = _ProbeConfig(None)


def probe_model() -> nn.Module:
    """Return the smallest model with the operators that every transformer needs.

    A model of one addition would pass at opsets that are in fact not honoured: if the model has
    a normalisation that cannot be converted to the opset, the exporter writes another opset.
    """
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 4)
            self.norm = nn.LayerNorm(4)
            self.out = nn.Linear(4, 3)

        def forward(
            self, ids: torch.Tensor, *, return_dict: bool = True
        ) -> dict[str, torch.Tensor]:
            hidden = self.norm(self.embed(ids))
            scores = torch.matmul(hidden, hidden.transpose(1, 2))
            scores = torch.where(ids[:, None, :] == 0, -1e4, scores)
            mixed = torch.matmul(scores.softmax(-1), hidden)
            return {"features": self.out(nn.functional.gelu(mixed[:, 0]))}

    return Block().eval()
