"""Rewrite a model to its float twin: a table of operators and the functions that rewrite them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass, RemoveUnusedNodesPass

from harness.evidence.twin import (
    attention,
    blocked,
    by_hand,
    dynamic,
    fused,
    grouped,
    half,
    quantised_fused,
    rotary,
    static,
)
from harness.evidence.twin.graph import MICROSOFT, STANDARD_DOMAINS, Rewriting, all_nodes, operator
from harness.evidence.twin.quantised import MOVED_INPUTS
from harness.evidence.twin.weights import StoredWeight

Rule = Callable[[Rewriting, ir.Node], None]

_QUANTISED: Mapping[str, Rule] = {
    "ai.onnx::QuantizeLinear": static.rewrite_quantize,
    "ai.onnx::DequantizeLinear": static.rewrite_dequantize,
    "ai.onnx::DynamicQuantizeLinear": dynamic.rewrite_dynamic_quantize,
    "ai.onnx::MatMulInteger": dynamic.rewrite_matmul_integer,
    "ai.onnx::ConvInteger": dynamic.rewrite_conv_integer,
    "ai.onnx::QLinearMatMul": static.rewrite_between_codes,
    "ai.onnx::QLinearConv": static.rewrite_conv,
    f"{MICROSOFT}::QuantizeLinear": static.rewrite_quantize,
    f"{MICROSOFT}::DequantizeLinear": static.rewrite_dequantize,
    f"{MICROSOFT}::DynamicQuantizeMatMul": dynamic.rewrite_dynamic_matmul,
    f"{MICROSOFT}::MatMulIntegerToFloat": dynamic.rewrite_matmul_to_float,
    **{f"{MICROSOFT}::{name}": static.rewrite_between_codes for name in static.SIGNATURES},
    f"{MICROSOFT}::QLinearConcat": static.rewrite_concat,
    f"{MICROSOFT}::QLinearConv": static.rewrite_conv,
    f"{MICROSOFT}::QGemm": static.rewrite_gemm,
    f"{MICROSOFT}::MatMulNBits": blocked.rewrite_matmul_nbits,
    f"{MICROSOFT}::GatherBlockQuantized": blocked.rewrite_gather_block,
    f"{MICROSOFT}::MatMulBnb4": blocked.rewrite_matmul_bnb4,
    f"{MICROSOFT}::QAttention": quantised_fused.rewrite_qattention,
    f"{MICROSOFT}::QEmbedLayerNormalization": quantised_fused.rewrite_qembed_layer_norm,
}
_FUSED: Mapping[str, Rule] = {
    "SkipLayerNormalization": fused.rewrite_skip_layer_norm,
    "SkipSimplifiedLayerNormalization": fused.rewrite_skip_rms_norm,
    "SimplifiedLayerNormalization": fused.rewrite_rms_norm,
    "EmbedLayerNormalization": fused.rewrite_embed_layer_norm,
    "BiasGelu": fused.rewrite_gelu,
    "Gelu": fused.rewrite_gelu,
    "FastGelu": fused.rewrite_fast_gelu,
    "QuickGelu": fused.rewrite_quick_gelu,
    "FusedMatMul": fused.rewrite_fused_matmul,
    "FusedGemm": fused.rewrite_fused_gemm,
    "FusedConv": fused.rewrite_fused_conv,
    "RotaryEmbedding": rotary.rewrite_rotary,
    "Attention": attention.rewrite_attention,
    "MultiHeadAttention": attention.rewrite_multi_head,
    "GroupQueryAttention": grouped.rewrite_grouped,
}
_REPLACED: Mapping[str, Rule] = {
    **_QUANTISED,
    **{f"{MICROSOFT}::{name}": rule for name, rule in _FUSED.items()},
    # ONNX Runtime defines it in the default domain.
    "ai.onnx::SimplifiedLayerNormalization": fused.rewrite_rms_norm,
}
"""Operators that a twin must not have."""
RULES: Mapping[str, Rule] = {
    **_REPLACED,
    **{f"ai.onnx::{name}": static.rewrite_move for name in MOVED_INPUTS},
    "ai.onnx::Cast": by_hand.rewrite_cast,
}
"""Operator -> the function that rewrites its nodes. A node that it cannot rewrite stays."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """How a model was rewritten. `unknown` names nodes without a float rewrite."""

    weights: tuple[StoredWeight, ...]
    rewritten: Mapping[str, int]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]


def rewrite(model: ir.Model, parameters: Collection[str]) -> Rewritten:
    """Rewrite a model in place to float32 operators on the weights that it stores.

    `parameters` are the names of single numbers that are weights.
    """
    if any(
        _needs_rewrite(node)
        for function in model.functions.values()
        for node in function.all_nodes()
    ):
        InlinePass()(model)
    before = _counted(model)
    work = Rewriting(model, parameters)
    if before and not _is_sorted(model):
        model.graph.sort()
        work.notes.append("the nodes of the file are in no topological order; the twin's are")
    for node in list(all_nodes(model)):
        rule = RULES.get(operator(node))
        if rule is not None:
            rule(work, node)
    if before or work.weights:
        _remove_unused(model)
    rewritten = Counter(before) - Counter(_counted(model))
    widened = half.widen(work)
    work.weights |= dict(half.plain_weights(work))
    return Rewritten(
        weights=tuple(_used_weights(work)),
        rewritten={**rewritten, **widened},
        unknown=tuple(_unknown(model)),
        notes=tuple(work.notes),
    )


def _used_weights(work: Rewriting) -> Iterator[StoredWeight]:
    """Yield the weights that the twin reads. A single number counts only if it is a parameter."""
    for value, weight in work.weights.items():
        size = 0 if value.const_value is None else value.const_value.size
        is_read = value.uses() or value.is_graph_output()
        if is_read and (size != 1 or weight.name in work.parameters):
            yield weight


def _needs_rewrite(node: ir.Node) -> bool:
    return operator(node) in _REPLACED or half.has_half_attribute(node)


def _counted(model: ir.Model) -> dict[str, int]:
    """Return how many nodes of each operator to replace a model has."""
    return Counter(name for node in all_nodes(model) if (name := operator(node)) in _REPLACED)


def _is_sorted(model: ir.Model) -> bool:
    """Whether each node comes after the nodes that it reads, also those around its subgraph."""
    seen: set[ir.Node] = set()
    for node in all_nodes(model):
        producers = {one.producer() for one in node.inputs if one is not None} - {None}
        if not producers <= seen:
            return False
        seen.add(node)
    return True


def _remove_unused(model: ir.Model) -> None:
    RemoveUnusedNodesPass()(model)
    for graph in model.graphs():
        for value in list(graph.initializers.values()):
            if not (value.uses() or value.is_graph_output() or value.is_graph_input()):
                del graph.initializers[str(value.name)]
    used = {node.domain for node in all_nodes(model)} | {name for name, *_ in model.functions}
    for domain in set(model.opset_imports) - used - STANDARD_DOMAINS:
        del model.opset_imports[domain]


def _unknown(model: ir.Model) -> Iterator[str]:
    """Yield the nodes that are quantised, or whose operator is no standard one."""
    for node in all_nodes(model):
        name = operator(node)
        is_standard = node.domain in STANDARD_DOMAINS and onnx.defs.has(node.op_type, node.domain)
        is_defined = is_standard or node.op_identifier() in model.functions
        is_quantised = name in _REPLACED and not _reads_fed_codes(node)
        if is_quantised or not is_defined or by_hand.reads_codes(node):
            yield f"{name} ({node.name})"


def _reads_fed_codes(node: ir.Node) -> bool:
    """Whether a DequantizeLinear reads codes that a user feeds: it computes with floats then."""
    value = node.inputs[0] if node.op_type == "DequantizeLinear" else None
    return value is not None and value.is_graph_input() and not value.is_initializer()
