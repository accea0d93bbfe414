"""The older exporter of torch.onnx: TorchScript tracing, with symbolic functions for each opset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.exporters._rotary import DYNAMIC, LONGROPE
from harness.exporters._torch import Target, TorchExporter

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.configs.base import OnnxConfig
    from harness.exporters._wrapper import FlatModel

FIRST_OPSET_OF_SDPA = 14
"""Below this opset `scaled_dot_product_attention` has no symbolic function."""


class TorchScriptExporter(TorchExporter):
    """torch.onnx.export with `dynamo=False`."""

    name = "torchscript"
    rewritten_rope_types = (DYNAMIC, LONGROPE)

    def prepare(self, model: nn.Module, opset: int) -> nn.Module:
        from harness.exporters._attention import with_attention

        prepared = None if opset >= FIRST_OPSET_OF_SDPA else with_attention(model, "eager")
        return super().prepare(prepared or model, opset)

    def write(self, model: FlatModel, tensors: tuple[torch.Tensor, ...], target: Target) -> None:
        import torch

        config, path = target.config, target.path
        torch.onnx.export(
            model,
            tensors,
            str(path),  # its C++ part writes external data only for a string, not for a Path
            dynamo=False,
            input_names=model.input_names,
            output_names=model.output_names,
            dynamic_axes={**config.inputs, **config.outputs},
            opset_version=target.opset,
        )
        shapes = [tuple(tensor.shape) for tensor in model(*tensors)]
        _write_static_dims(path, dict(zip(model.output_names, shapes, strict=True)), config)


def _write_static_dims(
    path: Path, shapes: Mapping[str, tuple[int, ...]], config: OnnxConfig
) -> None:
    """Write the traced sizes of the output axes that are not declared dynamic.

    TorchScript invents a symbol for each axis after a Reshape, even for static ones; Optimum has
    `fix_dynamic_axes` for the same reason.
    """
    import onnx

    model = onnx.load(path, load_external_data=False)
    for output in model.graph.output:
        for axis, dim in enumerate(output.type.tensor_type.shape.dim):
            if axis not in config.outputs[output.name]:
                dim.dim_value = shapes[output.name][axis]
    onnx.save(model, path)


EXPORTER = TorchScriptExporter()
