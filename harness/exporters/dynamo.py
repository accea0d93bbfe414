"""torch.export, then torch.onnx.export of the exported program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.axes import AxisExpression
from harness.configs.axis_space import AxisSpace
from harness.exporters._derived_axes import names_of_derived_axes, write_kept_lengths
from harness.exporters._rotary import DYNAMIC
from harness.exporters._sharing import SharedTracesMixin
from harness.exporters._torch import Target, TorchExporter

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

    from harness.configs.base import OnnxConfig
    from harness.exporters._wrapper import FlatModel


class DynamoExporter(SharedTracesMixin, TorchExporter):
    """The current exporter of torch.onnx (`dynamo=True`).

    With shared traces, all opsets of a model use one trace and its decompositions.
    """

    name = "dynamo"
    rewritten_rope_types = (DYNAMIC,)  # longrope has no branch in Python

    def write(self, model: FlatModel, tensors: tuple[torch.Tensor, ...], target: Target) -> None:
        import torch

        config = target.config

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
                opset_version=target.opset,
                # The declared axis texts, sums included; torch.export itself has only plain dims.
                dynamic_shapes=[dict(axes) for axes in config.inputs.values()],
                verbose=False,
            )
            assert exported is not None  # torch.onnx.export returns a program when dynamo is on
            derived = names_of_derived_axes(exported.model.graph.outputs, config)
            if derived:
                exported.rename_axes(derived)
            write_kept_lengths(exported.model.graph.outputs, config)
            exported.save(target.path)

        if self._traces is None:
            lower(trace(model))
            return
        program = self._traces.get_program(model, tensors, config, trace, exporter=self.name)
        try:
            with self._traces.registries.in_use():
                lower(program)
        except Exception:  # caused by the model or by sharing: the plain call decides
            lower(trace(model))


def dim_bounds(config: OnnxConfig) -> dict[str, tuple[int, int | None]]:
    """Plain axis name -> smallest and largest size that the description allows.

    The smallest size is 0 if the description states no minimum above 1; the largest is None if
    there is no limit. Derived axes have no bounds. The past of a step of one token has none either:
    of a dim with bounds, torch 2.13 cannot prove `Min(6*past + 6, 12*past + 12) == 6*past + 6`, its
    guard for the joined keys. Nor has an axis that the model divides: of a named dim, torch cannot
    prove `(n // 8 - 1) ** 2 > 1`, whatever its smallest size is.
    """
    space = config.axis_space
    unbounded = config.DIVIDED_AXES | ({config.past_axis} if config.steps_singly else set())
    texts = sorted({text for axes in config.inputs.values() for text in axes.values()})
    parsed = {text: AxisExpression.parse(text) for text in texts}
    plain = {text: one.names[0] for text, one in parsed.items() if one.is_plain}
    return {
        text: (low if (low := space.ranges[name].low) > 1 else 0, _ceiling(space, name))
        for text, name in plain.items()
        if name not in unbounded and name in space.ranges
    }


def dynamic_shapes(config: OnnxConfig) -> tuple[dict[int, Any], ...]:
    """Return torch.export's dynamic shapes: a named dim for each plain axis, otherwise `DYNAMIC`.

    torch.export refuses `Dim + Dim`. Axes that the model divides are `DYNAMIC` too.
    """
    from torch.export import Dim

    dims = {name: _dim(name, config, *bounds) for name, bounds in dim_bounds(config).items()}
    return tuple(
        {axis: dims.get(text, Dim.DYNAMIC) for axis, text in axes.items()}
        for axes in config.inputs.values()
    )


def _dim(name: str, config: OnnxConfig, low: int, high: int | None) -> Any:
    """Return the dim of a plain axis: a multiple of another dim if its sizes are in steps."""
    from torch.export import Dim

    step = config.axis_space.ranges[name].step
    if step == 1:
        return Dim(name, min=low, max=high)
    count = Dim(f"{name}_in_steps", min=-(-low // step), max=None if high is None else high // step)
    return step * count


def _ceiling(space: AxisSpace, name: str) -> int | None:
    """Return the largest size of an axis, alone and as a term of sums; None if there is no limit.

    If the model guards a sum, torch.export requires that the dim fits while all other terms have
    size 2, whatever their own minimum.
    """
    limits = [
        expression.largest_size(name, dict.fromkeys(expression.names, 2), limit=limit)
        for expression, limit in space.ceilings
        if name in expression.names
    ]
    return min(limits, default=None)


EXPORTER = DynamoExporter()
