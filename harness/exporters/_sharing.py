"""Work shared by exports of one model at several opsets: trace, decompositions, operator registry.

A caller that exports one model many times gives `SharedTraces` to the exporter. Without it nothing
is cached, so that a single export can never get the trace of another model.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from harness.exporters import Exporter
from harness.exporters._decompositions import cache_decompositions
from harness.exporters._fingerprint import fingerprint
from harness.exporters._registries import Registries

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

    from harness.configs.base import OnnxConfig
    from harness.exporters._wrapper import FlatModel

KEPT_TRACES = 12
"""Number of cached traces: 3 parts (the most of any task) x 2 sets of export sizes (used by
`baked-sizes`) x 2 exporters that trace."""

LARGEST_MODEL = 64 * 2**20
"""Bytes of weights above which the trace is not cached: a cached trace holds a copy of them."""

Trace = Callable[["FlatModel"], "ExportedProgram"]


class SharedTraces:
    """Cache of the most recently used traces.

    A trace is reused if the model (weights and hooks included), the example inputs and the
    declared axes have the same fingerprint. Not thread-safe.
    """

    def __init__(self, *, capacity: int = KEPT_TRACES, largest_model: int = LARGEST_MODEL) -> None:
        self.capacity = capacity
        self.largest_model = largest_model
        self.registries = Registries()
        self._programs: OrderedDict[bytes, ExportedProgram] = OrderedDict()

    def get_program(
        self,
        model: FlatModel,
        tensors: tuple[torch.Tensor, ...],
        config: OnnxConfig,
        trace: Trace,
        *,
        exporter: str,
    ) -> ExportedProgram:
        """Return the traced program of the model: the cached one, or a new one made by `trace`."""
        key = self._key(model, tensors, config, exporter)
        if key is None:
            return trace(model)
        if key not in self._programs:
            # Trace a copy, since the caller may change the model's weights afterwards.
            self._programs[key] = trace(copy.deepcopy(model))
            cache_decompositions(self._programs[key])
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


class SharedTracesMixin:
    """Mixin of exporters that can share the trace of a model between opsets."""

    _traces: SharedTraces | None = None

    def with_traces(self, traces: SharedTraces) -> Self:
        """Return a copy of this exporter that reads and fills the cache `traces`."""
        other = copy.copy(self)  # keeps the probed opsets
        other._traces = traces
        return other


def with_shared_traces(exporter: Exporter, traces: SharedTraces | None) -> Exporter:
    """Return the exporter using these cached traces; unchanged if it cannot use any."""
    if traces is None or not isinstance(exporter, SharedTracesMixin):
        return exporter
    return exporter.with_traces(traces)
