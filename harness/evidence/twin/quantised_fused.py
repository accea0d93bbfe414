"""Fused operators that read codes, rewritten to the fused operator between floats."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from harness.evidence.twin.attention import rewrite_attention
from harness.evidence.twin.fused import rewrite_embed_layer_norm
from harness.evidence.twin.graph import MICROSOFT, Rewriting, padded_inputs
from harness.evidence.twin.quantised import Codes, dequantise

Rule = Callable[[Rewriting, ir.Node], None]


def rewrite_qattention(work: Rewriting, node: ir.Node) -> None:
    """Rewrite QAttention as Attention of float32 values."""
    source, weight, bias, source_scale, weight_scale, mask, source_zero, weight_zero, past = (
        padded_inputs(node, 9)
    )
    values = (
        Codes(source, source_scale, source_zero),
        Codes(weight, weight_scale, weight_zero, axis=-1),
    )
    floats = [dequantise(work, one, before=node) for one in values]
    if None not in floats:
        _expand(work, node, "Attention", [*floats, bias, mask, past], rewrite_attention)


def rewrite_qembed_layer_norm(work: Rewriting, node: ir.Node) -> None:
    """Rewrite QEmbedLayerNormalization as EmbedLayerNormalization of float32 tables."""
    inputs = padded_inputs(node, 18)
    floats = [
        None
        if inputs[index] is None
        else dequantise(
            work, Codes(inputs[index], inputs[index + 6], inputs[index + 11]), before=node
        )
        for index in range(2, 7)
    ]
    if all(
        (one is None) == (given is None) for one, given in zip(floats, inputs[2:7], strict=True)
    ):
        values = [*inputs[:2], *floats, inputs[7]]
        _expand(work, node, "EmbedLayerNormalization", values, rewrite_embed_layer_norm)


def _expand(
    work: Rewriting,
    node: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    rule: Rule,
) -> None:
    """Replace a node by a fused one, and that by standard ones."""
    results = work.emit(
        node,
        op_type,
        inputs,
        dict(node.attributes),
        outputs=len(node.outputs),
        domain=MICROSOFT,
    )
    for old, new in zip(node.outputs, results, strict=True):
        if old.name:
            work.replace(old, new)
    fused = results[0].producer()
    assert fused is not None
    rule(work, fused)
