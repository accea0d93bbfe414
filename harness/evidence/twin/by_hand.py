"""Weights whose codes the graph itself turns into floats: Cast, then Sub of a zero point, then Mul.

Such files need no quantised operator, and every runtime reads them.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.forms import Affine, code_range
from harness.evidence.twin.graph import Rewriting, attribute, origin
from harness.evidence.twin.quantised import stored
from harness.evidence.twin.weights import Array

LARGEST_CODE = 255
"""Wider integers are no codes of weights."""


def rewrite_cast(work: Rewriting, node: ir.Node) -> None:
    """Replace codes that are cast, shifted and scaled by the weight that they stand for."""
    codes = work.constant(node.inputs[0])
    if codes is None or not reads_codes(node):
        return
    last, zero = node, np.zeros((), np.float32)
    following = _only_reader(last, "Sub")
    if following is not None and following.inputs[0] is last.outputs[0]:
        shift = work.constant(following.inputs[1])
        if shift is None:
            return
        last, zero = following, shift
    product = _only_reader(last, "Mul")
    if product is None:
        return
    scale = work.constant(next(v for v in product.inputs if v is not last.outputs[0]))
    axis = None if scale is None else _axis(scale, zero, codes.shape)
    if scale is None or axis is None:
        return
    content = codes
    form = Affine(
        form=codes.dtype.name,
        codes=lambda: content,
        shape=codes.shape,
        scale=scale,
        zero=zero,
        axis=axis,
    )
    source = node.inputs[0]
    assert source is not None
    weight = work.weight(stored(work, source, form), codes.shape, near=source)
    work.replace(product.outputs[0], weight)


def reads_codes(node: ir.Node) -> bool:
    """Whether a node casts several constant codes to floats."""
    source = origin(node.inputs[0]) if node.inputs else None
    if node.op_type != "Cast" or source is None:
        return False
    tensor = ir.convenience.get_const_tensor(source)
    if tensor is None or tensor.size < 2:
        return False
    ends = code_range(str(tensor.dtype.numpy().name))
    is_float = ir.DataType(attribute(node, "to", 0)).is_floating_point()
    return ends is not None and ends[1] <= LARGEST_CODE and is_float


def _only_reader(node: ir.Node, op_type: str) -> ir.Node | None:
    """Return the node that alone reads the output of another, if it has this operator."""
    (output,) = node.outputs
    readers = [reader for reader, _ in output.uses()]
    if output.is_graph_output() or len(readers) != 1 or readers[0].op_type != op_type:
        return None
    return readers[0]


def _axis(scale: Array, zero: Array, shape: tuple[int, ...]) -> int | None:
    """Return the axis along which scales and zero points differ; None if there are several.

    It is 0 if there is a single scale. None also if they do not fit the codes.
    """
    axes: set[int] = set()
    for one in (scale, zero):
        sizes = zip(reversed(one.shape), reversed(shape), strict=False)
        if one.ndim > len(shape) or any(size not in (1, whole) for size, whole in sizes):
            return None
        offset = len(shape) - one.ndim
        axes |= {offset + n for n, size in enumerate(one.shape) if size > 1}
    if len(axes) > 1:
        return None
    return next(iter(axes), 0)
