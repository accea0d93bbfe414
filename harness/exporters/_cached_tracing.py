"""transformers' OnnxExporter with its traced program taken from a cache."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from transformers.exporters.exporter_dynamo import DynamoExporter, patch_model_config
from transformers.exporters.exporter_onnx import OnnxExporter
from transformers.exporters.metadata import build_export_metadata
from transformers.exporters.utils import prepare_for_export

if TYPE_CHECKING:
    from torch.export import ExportedProgram

GetProgram = Callable[[Callable[[], "ExportedProgram"]], "ExportedProgram"]
"""Returns the cached program of a model, or calls its argument to trace the model."""


class _CachedTraceDynamoExporter(DynamoExporter):
    """Base class of OnnxExporter that takes the traced program from a cache."""

    get_program: GetProgram

    def export_program(self, model: Any, sample_inputs: Any, config: Any) -> tuple[Any, Any]:
        traced: list[tuple[Any, Any]] = []

        def trace() -> Any:
            traced.append(
                super(_CachedTraceDynamoExporter, self).export_program(model, sample_inputs, config)
            )
            return traced[0][0]

        program = self.get_program(trace)
        metadata = traced[0][1] if traced else self._call(model, sample_inputs, program)
        return program, metadata

    def _call(self, model: Any, sample_inputs: Any, program: Any) -> Any:
        """Call the model as tracing does, and return the metadata that tracing returns.

        OnnxExporter takes output names from this call.
        """
        model, inputs, flags = prepare_for_export(model, sample_inputs)
        with torch.no_grad(), patch_model_config(model, flags):
            model(**copy.deepcopy(dict(inputs)))
        return build_export_metadata(model, inputs, program, self.required_packages)


class CachedTraceOnnxExporter(OnnxExporter, _CachedTraceDynamoExporter):
    """OnnxExporter that takes the traced program from a cache and converts it as usual."""

    def __init__(self, get_program: GetProgram) -> None:
        super().__init__()
        self.get_program = get_program
