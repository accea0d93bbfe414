"""The float32 values of quantised ones: of constants, activations, and copies of either."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.forms import Affine, code_range
from harness.evidence.twin.graph import Quantised, Rewriting, origin
from harness.evidence.twin.weights import Array, StoredWeight, float_name

MOVED_INPUTS: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Expand"), (0,)),
    **dict.fromkeys(("Gather", "GatherElements", "GatherND", "Slice", "Split", "Tile"), (0,)),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth", "MaxPool", "Resize", "ArgMax"), (0,)),
    "Pad": (0, 2),
    "Where": (1, 2),
    "Concat": None,
}
"""Operators that copy or choose codes -> the inputs that hold codes (None: all).

Quantisers let them read codes, since a scale and a zero point do not change the result.
"""


_BEFORE_RELU = {"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "BatchNormalization"}
"""Operators that models have before a Relu, and that compute with codes."""
_SAME = 1e-6
"""The rounding of a scale, relative to it."""


@dataclass(frozen=True, slots=True)
class Codes:
    """A quantised value, with the scale and the zero point with which a node reads it."""

    value: ir.Value | None
    scale: ir.Value | None
    zero: ir.Value | None
    axis: int = 0
    block_size: int = 0


def register(
    work: Rewriting, codes: ir.Value, quantised: Quantised, *, form: str, before: ir.Node
) -> None:
    """State the float32 value of a quantised one, whose codes have the type `form`.

    If 0 is the smallest code, the quantised file has no negative numbers here, and if the largest
    code then stands for an integer, such as the 6 of Relu6, no larger ones. Quantisers rely on both
    and remove Relu and Clip nodes, so the twin has them.
    """
    largest = _largest_of_positive(work, quantised, form)
    writer = codes.producer()
    is_named = writer is not None and writer.op_type == "QuantizeLinear"
    if largest is None or not _may_lack_relu(quantised.value, is_named=is_named):
        work.quantised[codes] = quantised
        return
    if not is_named:
        work.notes.append(f"{codes.name}: its smallest code is 0, so the twin has a Relu there")
    (bounded,) = work.emit(before, "Relu", [quantised.value])
    if round(largest) >= 1 and abs(largest - round(largest)) <= _SAME * largest:
        bound = work.initializer(ir.tensor(np.float32(round(largest))), "largest")
        (bounded,) = work.emit(before, "Min", [bounded, bound])
    work.quantised[codes] = Quantised(bounded, quantised.scale, quantised.zero)


def _may_lack_relu(value: ir.Value, *, is_named: bool) -> bool:
    """Whether a quantiser may have removed a Relu node after a value.

    Before QuantizeLinear, the value then has the name of the Relu's output, so a value that is
    named after its own node had none. The smallest code can be 0 for other reasons: the least
    number of a Gelu is -0.17, less than half a step if others are large.
    """
    node = value.producer()
    if node is None or (is_named and _last_part(value.name).startswith(node.op_type.lower())):
        return False
    while node is not None and node.op_type in MOVED_INPUTS and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return node is not None and node.op_type in _BEFORE_RELU


def _last_part(name: str | None) -> str:
    return (name or "").rsplit("/", 1)[-1].lower()


def _largest_of_positive(work: Rewriting, quantised: Quantised, form: str) -> float | None:
    """Return the number of the largest code, if 0 is the smallest one; else None."""
    zero, scale, ends = (
        _zero(work, quantised.zero),
        work.constant(quantised.scale),
        code_range(form),
    )
    if zero is None or scale is None or ends is None or zero.size != 1 or scale.size != 1:
        return None
    return float(scale.item()) * (ends[1] - ends[0]) if int(zero.item()) == ends[0] else None


def dequantise(work: Rewriting, codes: Codes, *, before: ir.Node) -> ir.Value | None:
    """Return the float32 value of a quantised one, for use from the node `before` on.

    None if it follows from nothing that is known.
    """
    value = origin(codes.value)
    if value is None or codes.scale is None:
        return None
    if value in work.quantised:
        return _rescaled(work, work.quantised[value], codes, before=before)
    if work.constant(value) is not None:
        return _decoded_constant(work, codes)
    return _moved_constant(work, value, codes)


def _rescaled(
    work: Rewriting, found: Quantised, codes: Codes, *, before: ir.Node
) -> ir.Value | None:
    """Return the float32 value as a reader with another scale and zero point sees it."""
    if work.are_equal(found.scale, codes.scale) and _same_zero(work, found.zero, codes.zero):
        return found.value
    numbers = [work.constant(one) for one in (found.scale, codes.scale)]
    zeros = [_zero(work, one) for one in (found.zero, codes.zero)]
    if any(one is None or one.size != 1 for one in (*numbers, *zeros)):
        return None
    own, read = (float(one) for one in numbers if one is not None)
    shift = sum(
        sign * int(one) for sign, one in zip((1, -1), zeros, strict=True) if one is not None
    )
    name = "" if codes.value is None else codes.value.name
    work.notes.append(
        f"{name}: written with scale {own:g}, read with {read:g}; zero points are {shift} apart"
    )
    factor = work.initializer(ir.tensor(np.float32(read / own)), "scale_ratio")
    offset = work.initializer(ir.tensor(np.float32(shift * read)), "zero_offset")
    (scaled,) = work.emit(before, "Mul", [found.value, factor])
    return work.emit(before, "Add", [scaled, offset])[0]


def _decoded_constant(work: Rewriting, codes: Codes) -> ir.Value | None:
    """Add the values of constant codes as an initializer. None if scales or zeros do not fit."""
    key = (
        origin(codes.value),
        origin(codes.scale),
        origin(codes.zero),
        codes.axis,
        codes.block_size,
    )
    if key not in work.known:
        made = decode_constant(work, codes)
        if made is None or codes.value is None:
            return None
        work.known[key] = work.weight(*made, near=codes.value)
    return work.known[key]


def decode_constant(work: Rewriting, codes: Codes) -> tuple[StoredWeight, tuple[int, ...]] | None:
    """Return the weight that constant codes stand for, and its shape.

    None if something is not constant, or scales and zero points do not fit.
    """
    content, scale, zero = (
        work.constant(codes.value),
        work.constant(codes.scale),
        _zero(work, codes.zero),
    )
    if content is None or scale is None or zero is None or codes.value is None:
        return None
    form = Affine(
        form=content.dtype.name,
        codes=lambda: content,
        shape=content.shape,
        scale=scale,
        zero=zero,
        axis=codes.axis,
        block_size=codes.block_size,
    )
    if not form.fits():
        return None
    return stored(work, codes.value, form), content.shape


def stored(work: Rewriting, value: ir.Value, form: Affine) -> StoredWeight:
    """Return the weight that a value of the file stores in an affine form."""
    name = (origin(value) or value).name or ""
    has_axis = form.scale.size > 1
    return StoredWeight(
        name=float_name(name),
        initializer=name,
        form=form.form,
        decode=form.decode,
        axis=form.axis % len(form.shape) if has_axis else None,
        block_size=form.block_size or None,
    )


def _moved_constant(work: Rewriting, value: ir.Value, codes: Codes) -> ir.Value | None:
    """Return a copy of an embedding's rows, or another move of constant codes, in float32."""
    node, scale, zero = value.producer(), work.constant(codes.scale), _zero(work, codes.zero)
    if node is None or scale is None or zero is None or scale.size != 1 or zero.size != 1:
        return None
    outputs = move(work, node, Quantised(value, codes.scale, codes.zero)) if codes.scale else None
    return outputs[value.index() or 0] if outputs else None


def move(work: Rewriting, node: ir.Node, like: Quantised) -> tuple[ir.Value, ...] | None:
    """Return the outputs of a copy of a node that moves float32 values in place of codes.

    Its codes are read with the scale and zero point of `like`. None if the node does more than to
    move codes, or if a float32 value is unknown.
    """
    if node.domain not in {"", "ai.onnx"} or node.op_type not in MOVED_INPUTS:
        return None
    moved, inputs = MOVED_INPUTS[node.op_type], list(node.inputs)
    for index in range(len(inputs)) if moved is None else moved:
        if index < len(inputs) and inputs[index] is not None:
            codes = Codes(inputs[index], like.scale, like.zero)
            inputs[index] = dequantise(work, codes, before=node)
            if inputs[index] is None:
                return None
    return work.emit(node, node.op_type, inputs, dict(node.attributes), outputs=len(node.outputs))


def _zero(work: Rewriting, value: ir.Value | None) -> Array | None:
    return np.zeros((), np.int32) if value is None else work.constant(value)


def _same_zero(work: Rewriting, one: ir.Value | None, other: ir.Value | None) -> bool:
    if work.are_equal(one, other):
        return True
    first, second = _zero(work, one), _zero(work, other)
    return first is not None and second is not None and bool(np.all(first == second))
