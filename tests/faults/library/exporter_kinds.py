"""Kinds of wrong exporters, each with one defect.

They extend the correct TorchScript exporter, so that only the defect differs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from harness import Artifact, ExporterError, OnnxConfig
from harness.exporters._torch import Target
from harness.exporters._wrapper import FlatModel
from harness.exporters.torchscript import TorchScriptExporter
from tests.faults.library.surgery import Edit

Named = dict[str, torch.Tensor]


class WrongExporter(TorchScriptExporter):
    """A correct exporter; its subclasses add a defect."""

    def __init__(self, name: str) -> None:
        self.name = f"wrong-{name}"

    @property
    def opsets(self) -> tuple[int, ...]:
        return (17, 18)


class Editing(WrongExporter):
    """Edits one part of the files that it writes."""

    def __init__(self, name: str, edit: Edit, part: str) -> None:
        super().__init__(name)
        self._edit, self._part = edit, part

    def write(self, model: FlatModel, tensors: Any, target: Target) -> None:
        super().write(model, tensors, target)
        path: Path = target.path
        if path.stem == self._part:
            proto = onnx.load(path)
            self._edit(proto)
            onnx.save(proto, path)


class Wrapping(WrongExporter):
    """Traces a wrapper that changes the input tensors before it calls the model."""

    def __init__(self, name: str, feed: Callable[[Named], Named]) -> None:
        super().__init__(name)
        self._feed = feed

    def write(self, model: FlatModel, tensors: Any, target: Target) -> None:
        super().write(_Wrapper(model, self._feed), tensors, target)


class Preparing(WrongExporter):
    """Changes the copy of the model that it exports."""

    def __init__(self, name: str, change: Callable[[Any], None]) -> None:
        super().__init__(name)
        self._change = change

    def write(self, model: FlatModel, tensors: Any, target: Target) -> None:
        self._change(model.model)
        super().write(model, tensors, target)


class Spoiling(WrongExporter):
    """Changes the caller's model: before the export if `is_first`, otherwise after it."""

    def __init__(
        self, name: str, spoil: Callable[[Any], object], *, is_first: bool = False
    ) -> None:
        super().__init__(name)
        self._spoil = spoil
        self._is_first = is_first

    def export(self, model: nn.Module, config: OnnxConfig, opset: int, output: Path) -> Artifact:
        if self._is_first:
            self._spoil(model)
        artifact = super().export(model, config, opset, output)
        if not self._is_first:
            self._spoil(model)
        return artifact


class Describing(WrongExporter):
    """Exports with changed arguments: axes, names, order or opset."""

    def __init__(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(name)
        self._change = change

    def write(self, model: FlatModel, tensors: Any, target: Target) -> None:
        config, path = target.config, target.path
        arguments = {
            "input_names": model.input_names,
            "output_names": model.output_names,
            "dynamic_axes": {name: dict(axes) for name, axes in config.inputs.items()},
            "opset_version": target.opset,
        }
        self._change(arguments)
        torch.onnx.export(model, tensors, str(path), dynamo=False, **arguments)


class Raising(WrongExporter):
    """Raises ExporterError."""

    def write(self, model: FlatModel, tensors: Any, target: Target) -> None:
        raise ExporterError("Unsupported: operator aten::missing")


class Losing(WrongExporter):
    """Deletes the last part that it wrote."""

    def export(self, model: nn.Module, config: OnnxConfig, opset: int, output: Path) -> Artifact:
        artifact = super().export(model, config, opset, output)
        list(artifact.parts.values())[-1].unlink()
        return artifact


class _Wrapper(nn.Module):
    def __init__(self, model: FlatModel, feed: Callable[[Named], Named]) -> None:
        super().__init__()
        self.model = model
        self.input_names, self.output_names = model.input_names, model.output_names
        self._feed = feed
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> Any:
        named = dict(zip(self.input_names, tensors, strict=True))
        other = self._feed(dict(named))
        return self.model(*(other[name] for name in self.input_names))
