"""Float32 rewrites of QuantizeLinear and DequantizeLinear, and of operators between codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.forms import Affine, code_range
from harness.evidence.twin.graph import Quantised, Rewriting, attribute, padded_inputs
from harness.evidence.twin.quantised import MOVED_INPUTS, Codes, dequantise, move, register
from harness.evidence.twin.weights import Array

Triple = tuple[int, int, int]
"""Indices of codes, their scale and their zero point among the inputs of a node."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs of an operator between codes, and the operator between floats that it stands for.

    `leading` are indices of inputs that are no codes, `result` of the result's scale and zero.
    """

    op_type: str
    operands: tuple[Triple, ...]
    result: tuple[int, int]
    leading: tuple[int, ...] = ()
    axis: int = 0


_UNARY = ((0, 1, 2),)
_BINARY = ((0, 1, 2), (3, 4, 5))
SIGNATURES = {
    "QLinearMatMul": Signature("MatMul", _BINARY, (6, 7), axis=-1),
    "QLinearAdd": Signature("Add", _BINARY, (6, 7)),
    "QLinearMul": Signature("Mul", _BINARY, (6, 7)),
    "QLinearSigmoid": Signature("Sigmoid", _UNARY, (3, 4)),
    "QLinearLeakyRelu": Signature("LeakyRelu", _UNARY, (3, 4)),
    "QLinearSoftmax": Signature("Softmax", _UNARY, (3, 4)),
    "QLinearGlobalAveragePool": Signature("GlobalAveragePool", _UNARY, (3, 4)),
    "QLinearAveragePool": Signature("AveragePool", _UNARY, (3, 4)),
    "QLinearWhere": Signature("Where", ((1, 2, 3), (4, 5, 6)), (7, 8), leading=(0,)),
}
_NOT_OF_FLOATS = {"channels_last", "opset"}


def rewrite_quantize(work: Rewriting, node: ir.Node) -> None:
    """Let readers of the codes read the input itself. A constant input is really quantised."""
    source, scale, zero = padded_inputs(node, 3)[:3]
    if source is None or scale is None:
        return
    content = work.constant(source)
    if content is not None:
        _fold_quantised(work, node, content)
        return
    form = _form(work, node, zero)
    register(work, node.outputs[0], Quantised(source, scale, zero), form=form, before=node)


def _form(work: Rewriting, node: ir.Node, zero: ir.Value | None) -> str:
    content = work.constant(zero)
    if content is not None:
        return str(content.dtype.name)
    return str(ir.DataType(attribute(node, "output_dtype", 0) or ir.DataType.UINT8).numpy().name)


def _fold_quantised(work: Rewriting, node: ir.Node, content: Array) -> None:
    """State the codes of a constant, which the file quantises when it runs."""
    _, scale, zero = padded_inputs(node, 3)[:3]
    scales, zeros, form = work.constant(scale), work.constant(zero), _form(work, node, zero)
    if scales is None or (zeros is None and zero is not None) or code_range(form) is None:
        return
    affine = Affine(
        form=form,
        codes=lambda: content,
        shape=content.shape,
        scale=scales,
        zero=np.zeros((), np.int64) if zeros is None else zeros,
        axis=attribute(node, "axis", 1),
        block_size=attribute(node, "block_size", 0),
    )
    if affine.fits():
        work.fold(node.outputs[0], affine.encode(content))


def rewrite_dequantize(work: Rewriting, node: ir.Node) -> None:
    """Let readers read the float32 value of the codes. Codes that a user feeds stay."""
    value, scale, zero = padded_inputs(node, 3)[:3]
    axis, block = attribute(node, "axis", 1), attribute(node, "block_size", 0)
    result = dequantise(work, Codes(value, scale, zero, axis, block), before=node)
    if result is not None:
        work.replace(node.outputs[0], result)


def rewrite_between_codes(work: Rewriting, node: ir.Node) -> None:
    """Rewrite an operator of SIGNATURES to its operator between floats."""
    form = SIGNATURES[node.op_type]
    inputs = padded_inputs(node, max(*form.result, *(max(one) for one in form.operands)) + 1)
    if attribute(node, "channels_last", 0):
        return
    floats = [_operand(work, node, inputs, triple, form.axis) for triple in form.operands]
    if None in floats:
        return
    attributes = {k: one for k, one in node.attributes.items() if k not in _NOT_OF_FLOATS}
    leading = [inputs[index] for index in form.leading]
    (result,) = work.emit(node, form.op_type, [*leading, *floats], attributes)
    _finish(work, node, result, [inputs[index] for index in form.result])


def rewrite_concat(work: Rewriting, node: ir.Node) -> None:
    """Rewrite QLinearConcat to Concat."""
    triples = [(index, index + 1, index + 2) for index in range(2, len(node.inputs), 3)]
    floats = [_operand(work, node, list(node.inputs), triple, 0) for triple in triples]
    if None not in floats:
        (result,) = work.emit(node, "Concat", floats, dict(node.attributes))
        _finish(work, node, result, node.inputs[:2])


def rewrite_conv(work: Rewriting, node: ir.Node) -> None:
    """Rewrite QLinearConv to Conv. Its bias has the product of both scales."""
    inputs = padded_inputs(node, 9)
    if attribute(node, "channels_last", 0):
        return
    floats = [_operand(work, node, inputs, triple, 0) for triple in _BINARY]
    bias = _bias(work, node, inputs[8], (inputs[1], inputs[4]))
    if None in floats or (bias is None and inputs[8] is not None):
        return
    attributes = {k: one for k, one in node.attributes.items() if k not in _NOT_OF_FLOATS}
    (result,) = work.emit(node, "Conv", [*floats, bias], attributes)
    _finish(work, node, result, inputs[6:8])


def rewrite_gemm(work: Rewriting, node: ir.Node) -> None:
    """Rewrite QGemm to Gemm. Its bias has the product of both scales, times alpha."""
    inputs = padded_inputs(node, 9)
    axis = 0 if attribute(node, "transB", 0) else 1
    floats = [_operand(work, node, inputs, triple, axis) for triple in _BINARY]
    alpha = attribute(node, "alpha", 1.0)
    bias = _bias(work, node, inputs[6], (inputs[1], inputs[4]), factor=alpha)
    if None in floats or (bias is None and inputs[6] is not None):
        return
    (result,) = work.emit(node, "Gemm", [*floats, bias], dict(node.attributes))
    _finish(work, node, result, inputs[7:9])


def _operand(
    work: Rewriting,
    node: ir.Node,
    inputs: Sequence[ir.Value | None],
    triple: Triple,
    axis: int,
) -> ir.Value | None:
    value, scale, zero = (inputs[index] for index in triple)
    return dequantise(work, Codes(value, scale, zero, axis), before=node)


def _bias(
    work: Rewriting,
    node: ir.Node,
    codes: ir.Value | None,
    scales: tuple[ir.Value | None, ir.Value | None],
    *,
    factor: float = 1.0,
) -> ir.Value | None:
    """Return the float32 bias; None if there is no bias, or if it is not constant."""
    first, second = (work.constant(one) for one in scales)
    if codes is None or first is None or second is None:
        return None
    product = np.asarray(first.reshape(-1) * second.reshape(-1) * np.float32(factor), np.float32)
    scale = ir.Value(name=work.new_name("bias_scale"), const_value=ir.tensor(product))
    return dequantise(work, Codes(codes, scale, None), before=node)


def _finish(
    work: Rewriting,
    node: ir.Node,
    result: ir.Value,
    parameters: Sequence[ir.Value | None],
) -> None:
    """Register the result of an operator between codes. Without a scale it is a float already."""
    scale, zero = parameters
    if scale is None:
        work.replace(node.outputs[0], result)
        return
    form = _form(work, node, zero)
    register(work, node.outputs[0], Quantised(result, scale, zero), form=form, before=node)


def rewrite_move(work: Rewriting, node: ir.Node) -> None:
    """Copy a node that moves codes, for the float32 values of the codes."""
    moved = MOVED_INPUTS[node.op_type]
    candidates = node.inputs if moved is None else [node.inputs[moved[0]]]
    found = [work.quantised[one] for one in candidates if one in work.quantised]
    if not found:
        return
    results = move(work, node, found[0])
    for old, new in zip(node.outputs, results or (), strict=False):
        if node.op_type == "ArgMax":
            work.replace(old, new)
        else:
            work.quantised[old] = Quantised(new, found[0].scale, found[0].zero)
