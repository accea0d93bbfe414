"""transformers.exporters: torch.onnx, behind what transformers patches to trace its models."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.exporters._torch import InProcessExporter, SharesTraces

if TYPE_CHECKING:
    import onnx_ir
    import torch
    from torch import nn
    from torch.export import ExportedProgram
    from transformers.exporters.exporter_onnx import OnnxExporter

    from harness.configs.base import OnnxConfig
    from harness.exporters._sharing import SharedTraces

LARGE_FILE = 1536 * 2**20
"""Bytes of weights from which on they stand beside the file, as torch.onnx has it."""


class TransformersExporter(SharesTraces, InProcessExporter):
    """The `OnnxExporter` that comes with transformers.

    It is called as its users call it: with the model itself, keywords and transformers' own
    caches. Its file has the names of that call; `_binding` gives them the declared ones. Sharing
    work, all opsets of one model have a trace in common, as those of `dynamo` do.
    """

    name = "transformers"

    def write_part(
        self,
        model: nn.Module,
        feed: Mapping[str, torch.Tensor],
        *,
        config: OnnxConfig,
        opset: int,
        path: Path,
    ) -> None:
        from transformers.exporters.exporter_onnx import OnnxExporter

        from harness.exporters._binding import Binding

        if self._traces is None:
            program = _exported(OnnxExporter(), model, feed, config=config, opset=opset)
        else:
            program = _exported_sharing(self._traces, model, feed, config=config, opset=opset)
        Binding(config).apply(program)
        _save(program, path)


def _exported_sharing(
    traces: SharedTraces,
    model: nn.Module,
    feed: Mapping[str, torch.Tensor],
    *,
    config: OnnxConfig,
    opset: int,
) -> onnx_ir.Model:
    from transformers.exporters.exporter_onnx import OnnxExporter

    from harness.exporters._lending import LentOnnxExporter
    from harness.exporters._wrapper import FlatModel

    def lend(trace: Callable[[], ExportedProgram]) -> ExportedProgram:
        known_by, tensors = FlatModel(model, config), tuple(feed.values())
        return traces.program(known_by, tensors, config, lambda _: trace(), exporter=EXPORTER.name)

    own = copy.deepcopy(model)  # a kept program holds its weights, which nobody may change
    try:
        with traces.registries.in_use():
            return _exported(LentOnnxExporter(lend), own, feed, config=config, opset=opset)
    except Exception:  # the model's fault, or that of sharing: the plain call tells
        return _exported(OnnxExporter(), model, feed, config=config, opset=opset)


def _exported(
    exporter: OnnxExporter,
    model: nn.Module,
    feed: Mapping[str, torch.Tensor],
    *,
    config: OnnxConfig,
    opset: int,
) -> onnx_ir.Model:
    from transformers.exporters.exporter_onnx import OnnxConfig as Settings

    from harness.exporters._binding import Binding
    from harness.exporters._wrapper import as_keywords, encoder_output, side_of

    keywords = as_keywords(feed, encoder_output(config))
    shapes = Binding(config).dynamic_shapes(keywords)
    call: dict[str, Any] = {**keywords, **config.model_kwargs}
    settings = Settings(dynamic_shapes=shapes, opset_version=opset)
    program: onnx_ir.Model = exporter.export(side_of(model, config), call, config=settings).program
    return program


def _save(program: onnx_ir.Model, path: Path) -> None:
    import onnx_ir

    weights = (value.const_value for value in program.graph.initializers.values())
    is_large = sum(tensor.nbytes for tensor in weights if tensor is not None) > LARGE_FILE
    onnx_ir.save(program, path, external_data=f"{path.name}.data" if is_large else None)


EXPORTER = TransformersExporter()
