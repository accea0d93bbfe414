"""Products of large matrices are compared at some of their columns: references compute in float64.

A vocabulary of 150,000 tokens would else need gigabytes for one node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.evidence.kernels.call import Call

if TYPE_CHECKING:
    Array = np.ndarray[Any, Any]
    Results = Mapping[str, Array]

LIMIT = 2**24
"""Weights of a product that are computed in float64 at once, 128 MB."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A call with the weights of some columns, and its results there.

    `columns` are their indices in the whole result; None if nothing was left out.
    """

    call: Call
    results: Results
    columns: Array | None = None

    def place(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Return an index of the narrowed result as an index of the whole one."""
        if self.columns is None or not index:
            return index
        return (*index[:-1], int(self.columns[index[-1]]))


def narrow(call: Call, results: Results) -> Narrowed:
    """Return the call at evenly spaced columns if its weights exceed `LIMIT`, else as it is."""
    take = _TAKERS.get(call.node.op_type)
    count = _columns(call)
    if take is None or count is None or count[0] * count[1] <= LIMIT:
        return Narrowed(call, results)
    rows, width = count
    kept = np.unique(np.linspace(0, width - 1, max(2, LIMIT // rows)).astype(np.int64))
    return Narrowed(
        take(call, kept), {name: value[..., kept] for name, value in results.items()}, kept
    )


def _columns(call: Call) -> tuple[int, int] | None:
    """Return the size (K, N) of the weights; None if there is no such matrix."""
    if call.node.op_type == "MatMulNBits":
        return int(call.attribute("K")), int(call.attribute("N"))
    weights = call.optional(1)
    return None if weights is None or weights.ndim != 2 else (weights.shape[0], weights.shape[1])


def _take_columns(call: Call, kept: Array) -> Call:
    """Return a call of MatMul or MatMulInteger with some columns of its weights and zero points."""
    inputs = list(call.inputs)
    inputs[1] = call.needed(1)[:, kept]
    zero_point = call.optional(3)
    if zero_point is not None and zero_point.size > 1:
        inputs[3] = zero_point[..., kept]
    return replace(call, inputs=tuple(inputs))


def _take_blocks(call: Call, kept: Array) -> Call:
    """Return a call of MatMulNBits with the codes, scales and bias of some columns."""
    import onnx

    width = int(call.attribute("N"))
    node = onnx.NodeProto()
    node.CopyFrom(call.node)
    for attribute in node.attribute:
        if attribute.name == "N":
            attribute.i = len(kept)
    inputs = [
        value if value is None or index in _WHOLE else value.reshape(width, -1)[kept]
        for index, value in enumerate(call.inputs)
    ]
    bias = call.optional(5)
    if bias is not None:
        inputs[5] = bias[kept]
    return replace(call, node=node, inputs=tuple(inputs))


_WHOLE = (0, 4, 5)
"""Inputs of MatMulNBits without a row for each column of the result."""

_TAKERS: Mapping[str, Callable[[Call, Array], Call]] = {
    "MatMul": _take_columns,
    "MatMulInteger": _take_columns,
    "MatMulNBits": _take_blocks,
}
