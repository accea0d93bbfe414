"""Which reference and which bound each operator has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.evidence.kernels import attention_operators as attention
from harness.evidence.kernels import block_operators as blocks
from harness.evidence.kernels import functions_of_codes as codes
from harness.evidence.kernels import fused_operators as fused
from harness.evidence.kernels import integer_operators as integers
from harness.evidence.kernels import quantising_operators as quantising
from harness.evidence.kernels.bnb4_operator import matmul_bnb4
from harness.evidence.kernels.call import Call
from harness.evidence.kernels.half_operators import HALVES, in_float64, standard_half
from harness.evidence.kernels.measures import Expected
from harness.evidence.onnx_file import subgraphs

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]
    Function = codes.Function
    Compute = Callable[[Call, Sequence[Array | None]], Sequence[Array | None]]
    Reference = Callable[[Call], list[Expected | None] | None]

MICROSOFT = "com.microsoft"
STANDARD = ("", "ai.onnx")

CODE_TYPES = frozenset({"int8", "uint8", "int4", "uint4", "int2", "uint2", "int16", "uint16"})

FEW_ULPS = 4.0
"""Bound for floats. The unit is one ulp of the result's type at the expected value, plus one ulp of
float32 at the largest partial sum. It supposes that sums are accumulated in float32."""

INNER_SCALES = frozenset({"DynamicQuantizeMatMul", "DynamicQuantizeLSTM"})
"""Operators that compute one scale for all rows, and do not return it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How the results of an operator are judged.

    A result must agree with one of `references`: the definition may permit several. A reference
    returns None if the node does not permit it. `codes` and `ulps` are the permitted differences of
    integers and of floats.
    """

    references: tuple[Reference, ...]
    codes: int = 0
    ulps: float = FEW_ULPS

    def bound(self, unit: str) -> float:
        """Return the permitted difference in a unit, `codes` or `ulps`."""
        return self.codes if unit == "codes" else self.ulps


def _exact(reference: Reference) -> Rule:
    return Rule((reference,))


def _rounding(reference: Reference) -> Rule:
    return Rule((reference,), codes=1)


def _on_values(function: Function, operands: int = 1, first: int = 0) -> Rule:
    return _rounding(codes.on_values(function, operands=operands, first=first))


_STANDARD_RULES: Mapping[str, Rule] = {
    "MatMulInteger": _exact(integers.matmul_integer),
    "ConvInteger": _exact(integers.conv_integer),
    "QuantizeLinear": _rounding(quantising.quantize_linear),
    "DynamicQuantizeLinear": Rule((quantising.dynamic_quantize_linear,), codes=1, ulps=2.0),
    "DequantizeLinear": Rule((quantising.dequantize_linear,), ulps=1.0),
    "QLinearMatMul": _rounding(quantising.qlinear_matmul),
    "QLinearConv": _rounding(quantising.qlinear_conv),
}
"""The scale of DynamicQuantizeLinear is a quotient of a difference: each may be rounded."""

_MICROSOFT_RULES: Mapping[str, Rule] = {
    "QuantizeLinear": _STANDARD_RULES["QuantizeLinear"],
    "DequantizeLinear": _STANDARD_RULES["DequantizeLinear"],
    "MatMulIntegerToFloat": _exact(integers.matmul_integer_to_float),
    "DynamicQuantizeMatMul": _exact(integers.dynamic_quantize_matmul),
    "MatMulNBits": Rule((blocks.matmul_nbits, blocks.matmul_nbits_int8)),
    "MatMulBnb4": _exact(matmul_bnb4),
    "GatherBlockQuantized": Rule((blocks.gather_block_quantized,), ulps=1.0),
    "QGemm": _rounding(quantising.qgemm),
    "QLinearConcat": _rounding(codes.concat),
    "QLinearAdd": _on_values(codes.standard, 2),
    "QLinearMul": _on_values(codes.standard, 2),
    "QLinearSigmoid": _on_values(codes.standard),
    "QLinearLeakyRelu": _on_values(codes.standard),
    "QLinearAveragePool": _on_values(codes.standard),
    "QLinearGlobalAveragePool": _on_values(codes.standard),
    "QLinearSoftmax": _on_values(codes.softmax),
    "QLinearWhere": _on_values(codes.where, 2, first=1),
}


def _fused(*computes: Compute) -> Rule:
    return Rule(tuple(map(in_float64, computes)))


_HALF_RULES: Mapping[str, Rule] = {
    "SimplifiedLayerNormalization": _fused(fused.simplified_layer_normalization),
    "SkipSimplifiedLayerNormalization": _fused(fused.skip_simplified_layer_normalization),
    "SkipLayerNormalization": _fused(fused.skip_layer_normalization),
    "Gelu": _fused(fused.gelu),
    "BiasGelu": _fused(fused.gelu),
    "FastGelu": _fused(fused.fast_gelu),
    "QuickGelu": _fused(fused.quick_gelu),
    "FusedMatMul": _fused(fused.fused_matmul),
    "RotaryEmbedding": _fused(fused.rotary_embedding),
    "GroupQueryAttention": _fused(
        attention.group_query_attention, attention.rounded_group_query_attention
    ),
    "MultiHeadAttention": _fused(attention.multi_head_attention),
}
"""Fused operators of com.microsoft; the first one has the domain of ai.onnx in files."""

_MOVED = _exact(integers.moved_codes)
_HALF = Rule((standard_half,))
_UNKNOWN = Rule(())


def rule_of(node: onnx.NodeProto, dtypes: Collection[str]) -> Rule | None:
    """Return the rule of a node; None if it has no codes and no half-precision values.

    `dtypes` are the dtypes of its inputs and outputs. A rule without references belongs to an
    operator without a definition here, or to codes that are small floats.
    """
    if any(dtype.startswith(("float8", "float4")) for dtype in dtypes):
        return _UNKNOWN
    table = _STANDARD_RULES if node.domain in STANDARD else {}
    table = _MICROSOFT_RULES if node.domain == MICROSOFT else table
    if node.op_type in table:
        return table[node.op_type]
    has_codes, has_halves = (not kinds.isdisjoint(dtypes) for kinds in (CODE_TYPES, HALVES))
    if not (has_codes or has_halves):
        return None
    is_own = node.domain == MICROSOFT or node.op_type == "SimplifiedLayerNormalization"
    if has_halves and is_own and node.op_type in _HALF_RULES:
        return _HALF_RULES[node.op_type]
    if node.domain not in STANDARD or any(subgraphs(node)):
        return _UNKNOWN
    return _HALF if has_halves else _MOVED
