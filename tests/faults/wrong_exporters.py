"""A config module of exporters that are wrong on purpose, each in one way.

They build on the correct TorchScript exporter, so that nothing but the fault differs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from harness import OnnxConfig, register_exporter
from harness.exporters._wrapper import FlatModel
from harness.exporters.torchscript import TorchScriptExporter

Edit = Callable[[onnx.ModelProto], None]


class WrongExporter(TorchScriptExporter):
    """Exports correctly and then applies `edit` to the file."""

    def __init__(self, name: str, edit: Edit | None = None) -> None:
        self.name = f"wrong-{name}"
        self.edit = edit

    @property
    def opsets(self) -> tuple[int, ...]:
        return (17, 18)

    def write(
        self,
        model: FlatModel,
        tensors: tuple[torch.Tensor, ...],
        *,
        config: OnnxConfig,
        opset: int,
        path: Path,
    ) -> None:
        super().write(model, tensors, config=config, opset=opset, path=path)
        if self.edit is not None:
            proto = onnx.load(path)
            self.edit(proto)
            onnx.save(proto, path)


class FrozenBatch(WrongExporter):
    """Traces with a static batch and declares it."""

    def write(self, model: FlatModel, tensors: Any, **others: Any) -> None:
        config, path = others["config"], others["path"]
        free = {n: {a: t for a, t in axes.items() if a} for n, axes in config.inputs.items()}
        torch.onnx.export(
            model,
            tensors,
            path,
            dynamo=False,
            input_names=model.input_names,
            output_names=model.output_names,
            dynamic_axes=free,
            opset_version=others["opset"],
        )


class OlderOpset(WrongExporter):
    """Writes the opset below the one that is asked for, without a word."""

    def write(self, model: FlatModel, tensors: Any, **others: Any) -> None:
        super().write(model, tensors, **{**others, "opset": others["opset"] - 1})


class CrossedLayers(WrongExporter):
    """Its wrapper gives the keys and values of each layer to another one."""

    def write(self, model: FlatModel, tensors: Any, **others: Any) -> None:
        super().write(_Crossed(model), tensors, **others)


class _Crossed(nn.Module):
    def __init__(self, model: FlatModel) -> None:
        super().__init__()
        self.model = model
        self.input_names, self.output_names = model.input_names, model.output_names
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> Any:
        first = next((i for i, n in enumerate(self.input_names) if n.startswith("past")), None)
        if first is None:
            return self.model(*tensors)
        past = tensors[first:]
        return self.model(*tensors[:first], *past[2:], *past[:2])


def drop_input(model: onnx.ModelProto) -> None:
    """Compute what the third input held from the first instead of taking it."""
    dropped = model.graph.input[2]
    model.graph.input.remove(dropped)
    zero = numpy_helper.from_array(np.array(0), "drop_zero")
    model.graph.initializer.append(zero)
    node = helper.make_node("Mul", [model.graph.input[0].name, "drop_zero"], [dropped.name])
    model.graph.node.insert(0, node)


def _behind(model: onnx.ModelProto, index: int) -> str:
    """Free the name of an output for a node to be appended; returns the name of its value."""
    name = model.graph.output[index].name
    for node in model.graph.node:
        for place, output in enumerate(node.output):
            if output == name:
                node.output[place] = f"{name}_before"
        for place, read in enumerate(node.input):
            if read == name:
                node.input[place] = f"{name}_before"
    return f"{name}_before"


def add_offset(model: onnx.ModelProto) -> None:
    value = _behind(model, 0)
    model.graph.initializer.append(
        numpy_helper.from_array(np.array(1e-3, dtype=np.float32), "offset")
    )
    name = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Add", [value, "offset"], [name]))


def swap_outputs(model: onnx.ModelProto) -> None:
    """Give the last output the values of the one before it, and the reverse."""
    names = [model.graph.output[index].name for index in (-2, -1)]
    values = [_behind(model, index) for index in (-2, -1)]
    for name, value in zip(names, reversed(values), strict=True):
        model.graph.node.append(helper.make_node("Identity", [value], [name]))


def rename_output(model: onnx.ModelProto) -> None:
    value = _behind(model, 0)
    model.graph.output[0].name = "renamed"
    model.graph.node.append(helper.make_node("Identity", [value], ["renamed"]))


def emit_float64(model: onnx.ModelProto) -> None:
    value = _behind(model, 0)
    name = model.graph.output[0].name
    model.graph.node.append(helper.make_node("Cast", [value], [name], to=TensorProto.DOUBLE))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


EXPORTERS = (
    WrongExporter("correct-control"),
    WrongExporter("drops-input", drop_input),
    FrozenBatch("freezes-batch"),
    OlderOpset("mislabels-opset"),
    WrongExporter("adds-offset", add_offset),
    WrongExporter("swaps-outputs", swap_outputs),
    WrongExporter("renames-output", rename_output),
    WrongExporter("emits-float64", emit_float64),
    CrossedLayers("crosses-layers"),
)
for exporter in EXPORTERS:
    register_exporter(exporter)
