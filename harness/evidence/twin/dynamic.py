"""Float32 rewrites of dynamic quantisation, whose activations are quantised when the file runs."""

from __future__ import annotations

import onnx_ir as ir

from harness.evidence.twin.graph import Quantised, Rewriting, padded_inputs
from harness.evidence.twin.quantised import MOVED_INPUTS, Codes, dequantise
from harness.evidence.twin.weights import float_name

_LAST = -1
_FIRST = 0


def rewrite_dynamic_quantize(work: Rewriting, node: ir.Node) -> None:
    """Let readers of the codes read the input itself."""
    source = node.inputs[0]
    codes, scale, zero = node.outputs
    if source is not None:
        work.quantised[codes] = Quantised(source, scale, zero)


def rewrite_matmul_integer(work: Rewriting, node: ir.Node) -> None:
    """Rewrite MatMulInteger, Cast and the multiplications with both scales to MatMul."""
    _rewrite_integer(work, node, "MatMul", axis=_LAST)


def rewrite_conv_integer(work: Rewriting, node: ir.Node) -> None:
    """Rewrite ConvInteger, Cast and the multiplications with both scales to Conv."""
    _rewrite_integer(work, node, "Conv", axis=_FIRST)


def _rewrite_integer(work: Rewriting, node: ir.Node, op_type: str, *, axis: int) -> None:
    left, right, left_zero, right_zero = padded_inputs(node, 4)
    scaled = _scaled_by(work, node)
    if scaled is None:
        return
    last, scales = scaled
    matched = _match_scales(work, left, right, scales)
    if matched is None:
        return
    codes = (Codes(left, matched[0], left_zero), Codes(right, matched[1], right_zero, axis))
    inputs = [dequantise(work, one, before=last) for one in codes]
    if None not in inputs:
        work.replace(last.outputs[0], *work.emit(last, op_type, inputs, dict(node.attributes)))


def _scaled_by(work: Rewriting, node: ir.Node) -> tuple[ir.Node, list[ir.Value]] | None:
    """Return the last Mul after a Cast of integers to floats, and both scales; else None."""
    cast = _only_reader(node.outputs[0])
    if cast is None or cast.op_type != "Cast":
        return None
    scales: list[ir.Value] = []
    last = cast
    while len(scales) < 2:
        following = _only_reader(last.outputs[0])
        if following is None or following.op_type != "Mul":
            return None
        (other,) = [one for one in following.inputs if one is not last.outputs[0]] or [None]
        scales += _factors(work, other)
        last = following
    return (last, scales) if len(scales) == 2 else None


def _only_reader(value: ir.Value) -> ir.Node | None:
    readers = [use.node for use in value.uses()]
    return readers[0] if len(readers) == 1 and not value.is_graph_output() else None


def _factors(work: Rewriting, value: ir.Value | None) -> list[ir.Value]:
    """Return the scales of which a value is the product."""
    node = None if value is None else value.producer()
    if node is not None and node.op_type == "Mul":
        return [one for one in node.inputs if one is not None]
    return [] if value is None else [value]


def _match_scales(
    work: Rewriting, left: ir.Value | None, right: ir.Value | None, scales: list[ir.Value]
) -> tuple[ir.Value, ir.Value] | None:
    """Return the scale of each factor of a product.

    A scale belongs to the activation that was quantised with it. None if no activation was: then
    the file may be wrong. If both factors are constant, names decide, else the order in the file.
    """
    own = [None if one is None else work.quantised.get(one) for one in (left, right)]
    orders = ((scales[0], scales[1]), (scales[1], scales[0]))
    if own == [None, None]:
        has_name = _name_of(left) == _name_of(orders[1][0])
        return orders[1] if has_name else orders[0]
    for pair in orders:
        matched = zip(own, pair, strict=True)
        if all(work.are_equal(one.scale, scale) for one, scale in matched if one is not None):
            return pair
    return None


def _name_of(value: ir.Value | None) -> str:
    """Return the name that the float model has for constant codes, copies of them or a scale."""
    while value is not None and (node := value.producer()) and node.op_type in MOVED_INPUTS:
        value = node.inputs[0]
    return float_name((value.name if value is not None else None) or "")


def rewrite_matmul_to_float(work: Rewriting, node: ir.Node) -> None:
    """Rewrite MatMulIntegerToFloat to MatMul, and Add if it has a bias."""
    left, right, left_scale, right_scale, left_zero, right_zero, bias = padded_inputs(node, 7)
    activation = dequantise(work, Codes(left, left_scale, left_zero), before=node)
    _matmul(work, node, activation, Codes(right, right_scale, right_zero, _LAST), bias)


def rewrite_dynamic_matmul(work: Rewriting, node: ir.Node) -> None:
    """Rewrite DynamicQuantizeMatMul to MatMul, and Add if it has a bias."""
    activation, right, scale, zero, bias = padded_inputs(node, 5)
    _matmul(work, node, activation, Codes(right, scale, zero, _LAST), bias)


def _matmul(
    work: Rewriting,
    node: ir.Node,
    activation: ir.Value | None,
    codes: Codes,
    bias: ir.Value | None,
) -> None:
    weight = dequantise(work, codes, before=node)
    if activation is None or weight is None:
        return
    (result,) = work.emit(node, "MatMul", [activation, weight])
    if bias is not None:
        (result,) = work.emit(node, "Add", [result, bias])
    work.replace(node.outputs[0], result)
