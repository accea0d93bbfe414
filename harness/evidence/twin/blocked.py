"""Float32 rewrites of weights that are quantised in blocks and packed into bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from harness.evidence.twin.forms import Affine, Tabled
from harness.evidence.twin.graph import Rewriting, attribute, padded_inputs
from harness.evidence.twin.quantised import stored
from harness.evidence.twin.weights import Array, StoredWeight, float_name

_BNB_FORMS = {0: "fp4", 1: "nf4"}


def unpack(packed: Array, bits: int) -> Array:
    """Return the numbers of `bits` bits in bytes along the last axis, lowest bits first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    numbers = (packed[..., None] >> shifts) & np.uint8(2**bits - 1)
    return numbers.reshape(*packed.shape[:-1], -1)


def rewrite_matmul_nbits(work: Rewriting, node: ir.Node) -> None:
    """Rewrite MatMulNBits to MatMul, and Add if it has a bias.

    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits
    """
    source, packed, scales, zeros, groups, bias = padded_inputs(node, 6)[:6]
    made = _nbits_weight(work, node, (packed, scales, zeros, groups))
    if made is None or source is None or packed is None:
        return
    stored_weight, (outer, inner) = made
    key = ("nbits", packed, scales, zeros, groups)
    if key not in work.known:
        turned = stored_weight.arranged(np.transpose, axis=0)
        work.known[key] = work.weight(turned, (inner, outer), near=packed)
    (result,) = work.emit(node, "MatMul", [source, work.known[key]])
    if bias is not None:
        (result,) = work.emit(node, "Add", [result, bias])
    work.replace(node.outputs[0], result)


def _nbits_weight(
    work: Rewriting, node: ir.Node, inputs: tuple[ir.Value | None, ...]
) -> tuple[StoredWeight, tuple[int, ...]] | None:
    """Return the weight of MatMulNBits, one row for each output; None if it cannot be read."""
    packed, scales, zeros, groups = (work.constant(one) for one in inputs)
    inner, outer, block = (int(attribute(node, name, 0)) for name in ("K", "N", "block_size"))
    bits = int(attribute(node, "bits", 4))
    if packed is None or scales is None or bits not in {2, 4, 8} or not block:
        return None
    if (zeros is None) != (inputs[2] is None) or (groups is None) != (inputs[3] is None):
        return None
    blocks = -(-inner // block)
    if packed.size * 8 // bits != outer * blocks * block or scales.size != outer * blocks:
        return None
    zero = _block_zeros(zeros, bits, (outer, blocks))
    if zero is None:
        return None
    form = Affine(
        form=f"uint{bits}",
        codes=lambda: unpack(packed.reshape(outer, -1), bits)[:, :inner],
        shape=(outer, inner),
        scale=scales.reshape(outer, blocks),
        zero=zero,
        axis=1,
        block_size=block,
        groups=None if groups is None else groups[:inner].astype(np.int64),
    )
    assert inputs[0] is not None
    return (stored(work, inputs[0], form), form.shape) if form.fits() else None


def _block_zeros(zeros: Array | None, bits: int, shape: tuple[int, int]) -> Array | None:
    """Return a zero point for each block: packed ones by row, floats as they are.

    None if the number of zero points does not match.
    """
    outer, blocks = shape
    if zeros is None:
        return np.array(2 ** (bits - 1), np.int64)
    if zeros.dtype != np.uint8:
        return zeros.reshape(shape) if zeros.size == outer * blocks else None
    row = -(-blocks * bits // 8)
    return (
        unpack(zeros.reshape(outer, row), bits)[:, :blocks] if zeros.size == outer * row else None
    )


def rewrite_gather_block(work: Rewriting, node: ir.Node) -> None:
    """Rewrite GatherBlockQuantized to Gather.

    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GatherBlockQuantized
    """
    data, indices, scales, zeros = padded_inputs(node, 4)[:4]
    form = _gathered_form(work, node, (data, scales, zeros))
    if form is None or data is None or not form.fits():
        return
    key = ("gathered", data, scales, zeros)
    if key not in work.known:
        work.known[key] = work.weight(stored(work, data, form), form.shape, near=data)
    axis = attribute(node, "gather_axis", 0)
    work.replace(
        node.outputs[0], *work.emit(node, "Gather", [work.known[key], indices], {"axis": axis})
    )


def _gathered_form(
    work: Rewriting, node: ir.Node, inputs: tuple[ir.Value | None, ...]
) -> Affine | None:
    """Return the form of a table that is gathered from. Bytes hold packed numbers."""
    content, scale, zero = (work.constant(one) for one in inputs)
    bits = int(attribute(node, "bits", 4))
    if content is None or scale is None or (zero is None) != (inputs[2] is None):
        return None
    axis = attribute(node, "quantize_axis", 1) % content.ndim
    form, codes, shape = content.dtype.name, lambda: content, content.shape
    default = 0
    if form == "uint8":
        form, default = f"uint{bits}", 2 ** (bits - 1)
        codes = _unpacked(content, bits)
        shape = (*content.shape[:-1], content.shape[-1] * 8 // bits)
        if zero is not None:
            zero = unpack(zero, bits)[..., : scale.shape[-1]]
    return Affine(
        form=form,
        codes=codes,
        shape=shape,
        scale=scale,
        zero=np.array(default) if zero is None else zero,
        axis=axis,
        block_size=int(attribute(node, "block_size", 128)) or content.shape[axis],
    )


def _unpacked(packed: Array, bits: int) -> Callable[[], Array]:
    return lambda: unpack(packed, bits)


def rewrite_matmul_bnb4(work: Rewriting, node: ir.Node) -> None:
    """Rewrite MatMulBnb4 to MatMul.

    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulBnb4
    """
    source, value, scales = padded_inputs(node, 3)[:3]
    packed, absmax = work.constant(value), work.constant(scales)
    inner, outer, block = (int(attribute(node, name, 0)) for name in ("K", "N", "block_size"))
    form = _BNB_FORMS.get(attribute(node, "quant_type", -1))
    is_turned = attribute(node, "transB", 1) == 1
    if packed is None or absmax is None or value is None or form is None or not is_turned:
        return
    if packed.size * 2 < outer * inner or absmax.size * block < outer * inner:
        return
    tabled = Tabled(
        form=form,
        codes=lambda: _high_first(packed)[: outer * inner].reshape(outer, inner),
        shape=(outer, inner),
        absmax=absmax,
        block_size=block,
    )
    name = value.name or ""
    weight = StoredWeight(
        name=float_name(name), initializer=name, form=form, decode=tabled.decode, block_size=block
    ).arranged(np.transpose, axis=None)
    key = ("bnb4", value, scales)
    if key not in work.known:
        work.known[key] = work.weight(weight, (inner, outer), near=value)
    work.replace(node.outputs[0], *work.emit(node, "MatMul", [source, work.known[key]]))


def _high_first(packed: Array) -> Array:
    """Return the numbers of 4 bits in bytes, highest bits first."""
    return np.stack([packed >> 4, packed & 15], axis=-1).reshape(-1)
