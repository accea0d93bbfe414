"""What exports that differ in their opset alone have in common: a trace, its decomposition, the
registry of operators.

Given to an exporter by whoever exports one model many times. Nothing is kept without it, so that
an export that stands alone can never get the trace of another model.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.exporters import Exporter
from harness.exporters._decompositions import share_decompositions
from harness.exporters._fingerprint import fingerprint
from harness.exporters._registries import Registries
from harness.exporters._torch import SharesTraces

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

    from harness.configs.base import OnnxConfig
    from harness.exporters._wrapper import FlatModel

KEPT_TRACES = 12
"""A task has three parts at most, `baked-sizes` exports each from two sets of sizes, and two
exporters trace."""

LARGEST_MODEL = 64 * 2**20
"""Bytes of weights from which on a model is traced each time: a kept trace holds a copy."""

Trace = Callable[["FlatModel"], "ExportedProgram"]


class SharedTraces:
    """Keeps the last traces, the least recently used one going first, and lends them.

    A trace is lent where the model with all that it holds, the example inputs and the described
    axes are the same to the byte. Not for use by several threads at once.
    """

    def __init__(self, *, capacity: int = KEPT_TRACES, largest_model: int = LARGEST_MODEL) -> None:
        self.capacity = capacity
        self.largest_model = largest_model
        self.registries = Registries()
        self._programs: OrderedDict[bytes, ExportedProgram] = OrderedDict()

    def program(
        self,
        model: FlatModel,
        tensors: tuple[torch.Tensor, ...],
        config: OnnxConfig,
        trace: Trace,
        *,
        exporter: str,
    ) -> ExportedProgram:
        """What `trace` of an exporter makes of the model, or has made of one that is the same."""
        key = self._key(model, tensors, config, exporter)
        if key is None:
            return trace(model)
        if key not in self._programs:
            # Of a copy: the model's weights are its owner's, who may change them afterwards.
            self._programs[key] = trace(copy.deepcopy(model))
            share_decompositions(self._programs[key])
        self._programs.move_to_end(key)
        while len(self._programs) > self.capacity:
            self._programs.popitem(last=False)
        return self._programs[key]

    def _key(
        self, model: FlatModel, tensors: tuple[torch.Tensor, ...], config: OnnxConfig, exporter: str
    ) -> bytes | None:
        import torch

        weights = (*model.parameters(), *model.buffers())
        if sum(tensor.nbytes for tensor in weights) > self.largest_model:
            return None
        axes = (dict(config.inputs), config.axis_space)
        return fingerprint(exporter, model, tensors, axes, torch.get_default_dtype())


def sharing(exporter: Exporter, traces: SharedTraces | None) -> Exporter:
    """The exporter with what others have made before it, where it is one that shares."""
    if traces is None or not isinstance(exporter, SharesTraces):
        return exporter
    return exporter.sharing(traces)
