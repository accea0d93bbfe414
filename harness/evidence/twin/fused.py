"""Fused operators of ONNX Runtime without attention, expanded to standard ones.

Their definitions: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.expansion import Expansion
from harness.evidence.twin.graph import Rewriting, attribute

_SKIP_EPSILON = 1e-12


def rewrite_skip_layer_norm(work: Rewriting, node: ir.Node) -> None:
    """Expand SkipLayerNormalization: the norm of a sum, which may be an output too."""
    op = Expansion(work, node)
    _skip_norm(op, lambda x: _layer_norm(op, x, op.input(2), op.input(3), _SKIP_EPSILON), bias=4)


def rewrite_skip_rms_norm(work: Rewriting, node: ir.Node) -> None:
    """Expand SkipSimplifiedLayerNormalization: the norm of a sum, which may be an output too."""
    op = Expansion(work, node)
    _skip_norm(op, lambda x: _rms_norm(op, x, op.input(2), _SKIP_EPSILON), bias=3)


def _skip_norm(op: Expansion, norm: Callable[[ir.Value], ir.Value], *, bias: int) -> None:
    if op.uses(1) or op.uses(2):
        return
    total = op("Add", op.input(0), op.input(1))
    if op.has(bias):
        total = op("Add", total, op.input(bias))
    op.finish(norm(total), None, None, total)


def rewrite_rms_norm(work: Rewriting, node: ir.Node) -> None:
    """Expand SimplifiedLayerNormalization over the last axis."""
    op = Expansion(work, node)
    source = op.input(0)
    if source is None or op.uses(1) or attribute(node, "axis", -1) not in _last_axes(source):
        return
    op.finish(_rms_norm(op, source, op.input(1), 1e-5))


def _last_axes(value: ir.Value) -> set[int]:
    return {-1} if value.shape is None else {-1, len(value.shape) - 1}


def rewrite_embed_layer_norm(work: Rewriting, node: ir.Node) -> None:
    """Expand EmbedLayerNormalization. The second output counts the ones of each row of the mask."""
    op = Expansion(work, node)
    ids, segments, words, positions, segment_table = (op.input(index) for index in range(5))
    if ids is None or positions is None:
        return
    places = op.input(8) or op("Range", 0, op("Reshape", op.size(ids, 1), ()), 1)
    total = op("Add", op("Gather", words, ids), op("Gather", positions, places))
    if segments is not None:
        total = op("Add", total, op("Gather", segment_table, segments))
    lengths = _row_lengths(op, ids, op.input(7)) if op.uses(1) else None
    op.finish(_layer_norm(op, total, op.input(5), op.input(6), _SKIP_EPSILON), lengths, total)


def _row_lengths(op: Expansion, ids: ir.Value, mask: ir.Value | None) -> ir.Value:
    """Return how many ones each row of a mask has; zeros without a mask."""
    if mask is None:
        return op("Expand", np.int32(0), op.size(ids, 0))
    ones = op("Cast", op("Equal", mask, np.int32(1)), to=int(ir.DataType.INT32))
    if op.opset >= 13:
        return op("ReduceSum", ones, [1], keepdims=0)
    return op("ReduceSum", ones, axes=[1], keepdims=0)


def _layer_norm(
    op: Expansion,
    value: ir.Value,
    scale: ir.Value | None,
    bias: ir.Value | None,
    epsilon: float,
) -> ir.Value:
    centred = op("Sub", value, op.mean(value))
    result = op("Mul", _scaled_to_unit(op, centred, epsilon), scale)
    return result if bias is None else op("Add", result, bias)


def _rms_norm(op: Expansion, value: ir.Value, scale: ir.Value | None, epsilon: float) -> ir.Value:
    return op("Mul", _scaled_to_unit(op, value, epsilon), scale)


def _scaled_to_unit(op: Expansion, value: ir.Value, default_epsilon: float) -> ir.Value:
    """Divide by the root of the mean square over the last axis."""
    epsilon = float(attribute(op.node, "epsilon", default_epsilon))
    square = op.mean(op("Mul", value, value))
    return op("Div", value, op("Sqrt", op("Add", square, epsilon)))


def rewrite_gelu(work: Rewriting, node: ir.Node) -> None:
    """Expand Gelu, and BiasGelu, which adds a bias before."""
    op = Expansion(work, node)
    op.finish(gelu(op, _biased(op)))


def rewrite_fast_gelu(work: Rewriting, node: ir.Node) -> None:
    """Expand FastGelu, the approximation by tanh, with an optional bias."""
    op = Expansion(work, node)
    value = _biased(op)
    cube = op("Mul", value, op("Mul", value, value))
    inner = op("Add", value, op("Mul", cube, 0.044715))
    turned = op("Tanh", op("Mul", inner, math.sqrt(2 / math.pi)))
    op.finish(op("Mul", op("Mul", value, 0.5), op("Add", turned, 1.0)))


def rewrite_quick_gelu(work: Rewriting, node: ir.Node) -> None:
    """Expand QuickGelu: x * sigmoid(alpha * x)."""
    op = Expansion(work, node)
    alpha = float(attribute(node, "alpha", 1.702))
    op.finish(op("Mul", op.input(0), op("Sigmoid", op("Mul", op.input(0), alpha))))


def gelu(op: Expansion, value: ir.Value) -> ir.Value:
    """Return x / 2 * (1 + erf(x / sqrt(2)))."""
    error = op("Erf", op("Mul", value, math.sqrt(0.5)))
    return op("Mul", op("Mul", value, 0.5), op("Add", error, 1.0))


def _biased(op: Expansion) -> ir.Value:
    value = op.input(0)
    assert value is not None
    return op("Add", value, op.input(1)) if op.has(1) else value


_ACTIVATIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign"), ()),
    **dict.fromkeys(("LeakyRelu", "Elu", "ThresholdedRelu"), ("alpha",)),
    "HardSigmoid": ("alpha", "beta"),
    "Selu": ("alpha", "gamma"),
}
"""Activations within fused nodes -> the names of their parameters."""


def rewrite_fused_gemm(work: Rewriting, node: ir.Node) -> None:
    """Expand FusedGemm to Gemm and its activation."""
    op = Expansion(work, node)
    name = attribute(node, "activation", "")
    own = ("alpha", "beta", "transA", "transB")
    result = op(
        "Gemm", *node.inputs, **{k: node.attributes[k] for k in own if k in node.attributes}
    )
    if name in _ACTIVATIONS:
        parameters = {
            each: attribute(node, f"activation_{each}", None) for each in _ACTIVATIONS[name]
        }
        given = {each: value for each, value in parameters.items() if value is not None}
        op.finish(op(name, result, **given))


def rewrite_fused_conv(work: Rewriting, node: ir.Node) -> None:
    """Expand FusedConv to Conv, Add if there is a fourth input, and its activation."""
    op = Expansion(work, node)
    name = attribute(node, "activation", "")
    own = {k: one for k, one in node.attributes.items() if not k.startswith("activation")}
    result = op("Conv", *(op.input(index) for index in range(3)), **own)
    if op.has(3):
        result = op("Add", result, op.input(3))
    parameters = [float(one) for one in attribute(node, "activation_params", ())]
    if name == "Clip":
        op.finish(op("Clip", result, *parameters))
    elif name in _ACTIVATIONS:
        op.finish(op(name, result, **dict(zip(_ACTIVATIONS[name], parameters, strict=False))))


def rewrite_fused_matmul(work: Rewriting, node: ir.Node) -> None:
    """Expand FusedMatMul to Einsum, which exchanges the last two axes, MatMul and a factor."""
    op = Expansion(work, node)
    if attribute(node, "transBatchA", 0) or attribute(node, "transBatchB", 0):
        return
    sides = [
        op("Einsum", value, equation="...ij->...ji") if attribute(node, flag, 0) else value
        for value, flag in zip(node.inputs, ("transA", "transB"), strict=False)
    ]
    result, factor = op("MatMul", *sides), float(attribute(node, "alpha", 1.0))
    op.finish(result if factor == 1 else op("Mul", result, factor))
