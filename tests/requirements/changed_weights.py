"""A file that goes wrong in one module, for tests of the blame."""

from __future__ import annotations

import onnx
from onnx import numpy_helper


def change_weight(model: onnx.ModelProto) -> None:
    """Reverse the biases of the last layer."""
    name = "layer.1.output.dense.bias"
    weight = next(tensor for tensor in model.graph.initializer if tensor.name.endswith(name))
    reverse = numpy_helper.to_array(weight)[::-1].copy()
    weight.CopyFrom(numpy_helper.from_array(reverse, weight.name))
