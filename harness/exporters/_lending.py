"""transformers' OnnxExporter, lent the program that it would trace."""

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

Lend = Callable[[Callable[[], "ExportedProgram"]], "ExportedProgram"]
"""Gives what its argument traces, or has traced before of the same model."""


class _LentDynamoExporter(DynamoExporter):
    """Stands where OnnxExporter asks its own base for a program."""

    lend: Lend

    def export_program(self, model: Any, sample_inputs: Any, config: Any) -> tuple[Any, Any]:
        traced: list[tuple[Any, Any]] = []

        def trace() -> Any:
            traced.append(
                super(_LentDynamoExporter, self).export_program(model, sample_inputs, config)
            )
            return traced[0][0]

        program = self.lend(trace)
        described = traced[0][1] if traced else self._call(model, sample_inputs, program)
        return program, described

    def _call(self, model: Any, sample_inputs: Any, program: Any) -> Any:
        """Call the model as tracing would have: OnnxExporter reads names off the call."""
        model, inputs, flags = prepare_for_export(model, sample_inputs)
        with torch.no_grad(), patch_model_config(model, flags):
            model(**copy.deepcopy(dict(inputs)))
        return build_export_metadata(model, inputs, program, self.required_packages)


class LentOnnxExporter(OnnxExporter, _LentDynamoExporter):
    """OnnxExporter with a program from elsewhere; all that it does to one is its own."""

    def __init__(self, lend: Lend) -> None:
        super().__init__()
        self.lend = lend
