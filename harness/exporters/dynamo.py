"""torch.export, then torch.onnx.export of the exported program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression, AxisSpace
from harness.exporters._torch import SharesTraces, TorchExporter

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

    from harness.configs.base import OnnxConfig
    from harness.exporters._wrapper import FlatModel


class DynamoExporter(SharesTraces, TorchExporter):
    """The exporter of torch.onnx that is developed today.

    Sharing work, all opsets of one model have a trace and what follows from it in common.
    """

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

        def trace(traced: FlatModel) -> ExportedProgram:
            shapes = (dynamic_shapes(config),)
            return torch.export.export(traced, tensors, dynamic_shapes=shapes, strict=False)

        def lower(program: ExportedProgram) -> None:
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

        if self._traces is None:
            lower(trace(model))
            return
        program = self._traces.program(model, tensors, config, trace, exporter=self.name)
        try:
            with self._traces.registries.in_use():
                lower(program)
        except Exception:  # the model's fault, or that of sharing: the plain call tells
            lower(trace(model))


def dim_bounds(config: OnnxConfig) -> dict[str, tuple[int, int | None]]:
    """Each axis that is one name -> between which sizes the description says that the model begins
    and ends."""
    space = config.axis_space
    texts = sorted({text for axes in config.inputs.values() for text in axes.values()})
    parsed = {text: AxisExpression.parse(text) for text in texts}
    plain = {text: one.names[0] for text, one in parsed.items() if one.is_plain}
    return {
        text: (low if (low := space.ranges[name].low) > 1 else 0, _ceiling(space, name))
        for text, name in plain.items()
    }


def dynamic_shapes(config: OnnxConfig) -> tuple[dict[int, Any], ...]:
    """A named dim for each plain axis; sums are left to torch.export, which refuses `Dim + Dim`."""
    from torch.export import Dim

    dims = {text: Dim(text, min=low, max=high) for text, (low, high) in dim_bounds(config).items()}
    return tuple(
        {axis: dims.get(text, Dim.DYNAMIC) for axis, text in axes.items()}
        for axes in config.inputs.values()
    )


def _ceiling(space: AxisSpace, name: str) -> int | None:
    """The largest size of an axis, alone and in sums: where a model has a guard on a sum,
    torch.export asks of each dim that it fits beside others of 2, whatever their own minimum."""
    limits = [
        (limit - sum(2 * factor for other, factor in expression.terms if other != name))
        // dict(expression.terms)[name]
        for expression, limit in space.ceilings
        if name in expression.names
    ]
    return min(limits, default=None)


EXPORTER = DynamoExporter()
