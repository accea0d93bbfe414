"""transformers.exporters: torch.onnx, with transformers' own patches for tracing its models."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.cache_layout import CacheKind
from harness.errors import ExporterError
from harness.exporters._sharing import SharedTraces, SharedTracesMixin
from harness.exporters._torch import InProcessExporter, Target

if TYPE_CHECKING:
    import onnx_ir
    from torch import nn
    from torch.export import ExportedProgram
    from transformers.exporters.exporter_onnx import OnnxExporter

    from harness.configs.feed_generators import Tensors

EXTERNAL_DATA_LIMIT = 1536 * 2**20
"""Bytes of weights above which they are stored as external data, as torch.onnx does."""


class TransformersExporter(SharedTracesMixin, InProcessExporter):
    """The `OnnxExporter` that comes with transformers.

    It is called as its users call it: with the model itself, keywords and transformers' own
    caches. Its file has the names of that call; `_binding` replaces them by the declared names.
    Raises ExporterError for a cache that keeps a window, which it would not cut.
    With shared traces, all opsets of a model use one trace, as with `dynamo`.
    """

    name = "transformers"

    def write_part(self, model: nn.Module, feed: Tensors, target: Target) -> None:
        from transformers.exporters.exporter_onnx import OnnxExporter

        from harness.exporters._binding import Binding

        if any(entry.kind is CacheKind.WINDOW for entry in target.config.cache):
            raise ExporterError(
                "transformers' exporter traces layers that keep their window as layers that keep "
                "all tokens, so its file has another cache; export with dynamo or torchscript"
            )
        if self._traces is None:
            program = _run_exporter(OnnxExporter(), model, feed, target)
        else:
            program = _run_with_traces(self._traces, model, feed, target)
        Binding(target.config).apply(program)
        _save(program, target.path)


def _run_with_traces(
    traces: SharedTraces, model: nn.Module, feed: Tensors, target: Target
) -> onnx_ir.Model:
    from transformers.exporters.exporter_onnx import OnnxExporter

    from harness.exporters._cached_tracing import CachedTraceOnnxExporter
    from harness.exporters._wrapper import FlatModel

    def get_program(trace: Callable[[], ExportedProgram]) -> ExportedProgram:
        flat, tensors = FlatModel(model, target.config), tuple(feed.values())
        return traces.get_program(
            flat, tensors, target.config, lambda _: trace(), exporter=EXPORTER.name
        )

    exporter = CachedTraceOnnxExporter(get_program)
    own = copy.deepcopy(model)  # a cached program holds its weights, which must not change
    try:
        with traces.registries.in_use():
            return _run_exporter(exporter, own, feed, target)
    except Exception:  # caused by the model or by sharing: the plain call decides
        return _run_exporter(OnnxExporter(), model, feed, target)


def _run_exporter(
    exporter: OnnxExporter, model: nn.Module, feed: Tensors, target: Target
) -> onnx_ir.Model:
    from transformers.exporters.exporter_onnx import OnnxConfig as Settings

    from harness.exporters._binding import Binding
    from harness.exporters._wrapper import call_keywords, exported_module

    config = target.config
    keywords = call_keywords(feed, config.call, config.cache)
    shapes = Binding(config).dynamic_shapes(keywords)
    call: dict[str, Any] = {**keywords, **config.model_kwargs}
    settings = Settings(dynamic_shapes=shapes, opset_version=target.opset)
    program: onnx_ir.Model = exporter.export(
        exported_module(model, config), call, config=settings
    ).program
    return program


def _save(program: onnx_ir.Model, path: Path) -> None:
    import onnx_ir

    weights = (value.const_value for value in program.graph.initializers.values())
    is_large = sum(tensor.nbytes for tensor in weights if tensor is not None) > EXTERNAL_DATA_LIMIT
    onnx_ir.save(program, path, external_data=f"{path.name}.data" if is_large else None)


EXPORTER = TransformersExporter()
