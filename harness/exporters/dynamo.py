"""torch.export, then torch.onnx.export of the exported program."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.exporters._torch import TorchExporter

if TYPE_CHECKING:
    import torch

    from harness.configs.base import OnnxConfig
    from harness.exporters._wrapper import FlatModel


class DynamoExporter(TorchExporter):
    """The exporter of torch.onnx that is developed today."""

    name = "dynamo"

    def write(
        self,
        model: FlatModel,
        tensors: tuple[torch.Tensor, ...],
        *,
        config: OnnxConfig,
        opset: int,
        path: Path,
    ) -> None:
        import torch

        program = torch.export.export(
            model, tensors, dynamic_shapes=(_dynamic_shapes(config),), strict=False
        )
        exported = torch.onnx.export(
            program,
            (),
            dynamo=True,
            input_names=model.input_names,
            output_names=model.output_names,
            opset_version=opset,
            # The declared texts, sums included; torch.export itself knows only plain dims.
            dynamic_shapes=[dict(axes) for axes in config.inputs.values()],
            verbose=False,
        )
        assert exported is not None  # torch.onnx.export returns a program when dynamo is on
        exported.save(path)


def _dynamic_shapes(config: OnnxConfig) -> tuple[dict[int, Any], ...]:
    """A named dim for each plain axis, up to where the description says that the model ends; sums
    are left to torch.export, which refuses `Dim + Dim`."""
    from torch.export import Dim

    ceilings = {e.text: limit for e, limit in config.axis_space.ceilings if e.is_plain}

    @functools.cache
    def dim(text: str) -> Any:
        if not AxisExpression.parse(text).is_plain:
            return Dim.DYNAMIC
        return Dim(text, min=0, max=ceilings.get(text))

    return tuple(
        {axis: dim(text) for axis, text in axes.items()} for axes in config.inputs.values()
    )


EXPORTER = DynamoExporter()
