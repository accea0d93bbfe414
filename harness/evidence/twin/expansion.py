"""Short notation for the nodes that replace one node, with constants written as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.graph import Rewriting
from harness.evidence.twin.weights import Array

Operand = ir.Value | Array | np.generic | float | Sequence[int] | None
_CONSTANT_TYPES = {float: np.float32, int: np.int64, list: np.int64, tuple: np.int64}


class Expansion:
    """The nodes that replace one node.

    Numbers among operands become float32 constants, sequences of integers int64 ones.
    """

    def __init__(self, work: Rewriting, node: ir.Node) -> None:
        self._work = work
        self.node = node
        self.opset = work.model.opset_imports.get("", 1)

    def __call__(self, op_type: str, *operands: Operand, **attributes: Any) -> ir.Value:
        """Insert a node of the default domain and return its output."""
        inputs = [self._value(one) for one in operands]
        (result,) = self._work.emit(self.node, op_type, inputs, attributes)
        return result

    def has(self, index: int) -> bool:
        """Whether the replaced node has an input of this index."""
        return index < len(self.node.inputs) and self.node.inputs[index] is not None

    def input(self, index: int) -> ir.Value | None:
        """Return an input of the replaced node; None if it is missing."""
        return self.node.inputs[index] if index < len(self.node.inputs) else None

    def uses(self, index: int) -> bool:
        """Whether the replaced node has an output of this index that something reads."""
        if index >= len(self.node.outputs):
            return False
        output = self.node.outputs[index]
        return bool(output.uses()) or output.is_graph_output()

    def finish(self, *results: ir.Value | None) -> None:
        """Let readers of the node's outputs read the results."""
        for index, result in enumerate(results):
            if result is not None and self.uses(index):
                self._work.replace(self.node.outputs[index], result)

    def mean(self, value: ir.Value) -> ir.Value:
        """Return the mean over the last axis, which stays with size 1."""
        if self.opset >= 18:
            return self("ReduceMean", value, [-1], keepdims=1)
        return self("ReduceMean", value, axes=[-1], keepdims=1)

    def unsqueezed(self, value: ir.Value, axis: int) -> ir.Value:
        """Return the value with one more axis, of size 1."""
        if self.opset >= 13:
            return self("Unsqueeze", value, [axis])
        return self("Unsqueeze", value, axes=[axis])

    def slice(self, value: Operand, start: Operand, end: Operand, *, axis: int) -> ir.Value:
        """Return the places from `start` to `end` of an axis."""
        return self("Slice", value, start, end, [axis])

    def size(self, value: ir.Value, axis: int) -> ir.Value:
        """Return the size of an axis as an int64 tensor of one number."""
        return self("Gather", self("Shape", value), [axis], axis=0)

    def shaped(self, value: ir.Value, *dims: int | ir.Value) -> ir.Value:
        """Reshape to dims: numbers as Reshape reads them, or tensors of one number."""
        if all(isinstance(dim, int) for dim in dims):
            return self("Reshape", value, [dim for dim in dims if isinstance(dim, int)])
        parts = [self._value([dim] if isinstance(dim, int) else dim) for dim in dims]
        return self("Reshape", value, self("Concat", *parts, axis=0))

    def _value(self, operand: Operand) -> ir.Value | None:
        if operand is None or isinstance(operand, ir.Value):
            return operand
        content = np.asarray(operand, _CONSTANT_TYPES.get(type(operand)))
        key = ("constant", str(content.dtype), content.shape, content.tobytes())
        if key not in self._work.known:
            self._work.known[key] = self._work.initializer(ir.tensor(content), "constant")
        return self._work.known[key]
