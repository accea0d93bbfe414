"""Edits of decoders: positions and attention masks."""

from __future__ import annotations

import numpy as np
import onnx

from tests.faults.library.cases import edited
from tests.faults.library.ingredients import (
    ALL_SEEN,
    ATTENTION,
    FIRST_ROW,
    ONE,
    ONE_MORE,
    PAST,
    PAST_LENGTH,
    PLACES,
    at_most,
    zero_last_row,
)
from tests.faults.library.subjects import GPT2, LLAMA
from tests.faults.library.surgery import (
    Argument,
    Array,
    Read,
    Weight,
)


def _slower(frequencies: Array) -> Array:
    return frequencies ** np.float32(1.1)


def _half_negated(model: onnx.ModelProto) -> None:
    """Negate the other half of each head in the rotation."""
    for layer in (0, 1):
        place = ATTENTION.format(layer)
        for neg, slices in (("Neg", "Slice"), ("Neg_1", "Slice_2")):
            Read(f"{place}{neg}", "y = Neg(x)")(model)
            Read(f"{place}{slices}", "y = Neg(x)")(model)


def _sine_for_cosine(model: onnx.ModelProto) -> None:
    other = {"Cos": "Sin", "Sin": "Cos"}
    for node in model.graph.node:
        node.op_type = other.get(node.op_type, node.op_type)


POSITIONS = (
    edited(
        "ignores-positions",
        GPT2,
        "agreement",
        "the file counts positions itself and ignores its input",
        Read("position_ids", PLACES + PAST_LENGTH + "y = Add(p, n)", PAST),
        "huggingface/optimum#1381",
    ),
    edited(
        "ignores-positions",
        LLAMA,
        "agreement",
        "the file counts positions itself and ignores its input",
        Read("position_ids", PLACES + PAST_LENGTH + "y = Add(p, n)", PAST),
        "huggingface/optimum#1381",
    ),
    edited(
        "positions-of-first-row",
        GPT2,
        "agreement",
        "all rows of a batch get the positions of the first row",
        Read("position_ids", FIRST_ROW),
        "huggingface/optimum#1381",
    ),
    edited(
        "shifts-positions",
        LLAMA,
        "agreement",
        "positions are one too large, so new keys do not fit the keys of the past",
        Read("position_ids", ONE_MORE),
    ),
    edited(
        "forgets-past-length",
        GPT2,
        "agreement",
        "positions restart at 0 after a past",
        Read("position_ids", PLACES + "y = Identity(p)"),
        "huggingface/transformers#14326",
    ),
    edited(
        "positions-folded",
        GPT2,
        "agreement",
        "the file contains only 32 positions",
        Read("position_ids", at_most(31)),
        "neuralmagic/sparseml#1826",
    ),
    edited(
        "rotation-folded",
        LLAMA,
        "agreement",
        "the file contains only 16 rotary positions",
        Read("position_ids", at_most(15)),
        "neuralmagic/sparseml#1826",
    ),
    edited(
        "loses-last-position",
        GPT2,
        "agreement",
        "the last row of the position table is zero",
        Weight("wpe.weight", zero_last_row),
    ),
    edited(
        "another-rotary-base",
        LLAMA,
        "agreement",
        "the rotary frequencies have another base",
        Weight("rotary_emb/Mul", _slower),
    ),
    edited(
        "rotates-backwards",
        LLAMA,
        "agreement",
        "the rotation negates the other half of each head",
        _half_negated,
    ),
    edited(
        "cosine-for-sine",
        LLAMA,
        "agreement",
        "cosines and sines are exchanged",
        _sine_for_cosine,
    ),
)

MASKS = (
    edited(
        "sees-one-ahead",
        GPT2,
        "agreement",
        "the causal mask is off by one",
        Argument("transformer/LessOrEqual", 1, ONE_MORE),
    ),
    edited(
        "sees-all",
        LLAMA,
        "agreement",
        "the causal mask has no effect",
        Read("model/LessOrEqual", "n = Not(x) y = Or(x, n)"),
    ),
    edited(
        "ignores-mask",
        LLAMA,
        "agreement",
        "the mask has no effect",
        Read("attention_mask", ALL_SEEN),
        "huggingface/optimum#1325",
    ),
    edited(
        "ignores-mask-of-past",
        GPT2,
        "agreement",
        "the mask over the past has no effect",
        Read(
            "attention_mask",
            PLACES + PAST_LENGTH + "l = Less(p, n) m = Cast<to=7>(l) y = Max(x, m)",
            PAST,
        ),
    ),
    edited(
        "ignores-mask-in-steps",
        LLAMA,
        "agreement",
        "the trace froze a branch that uses no mask for a single token",
        Read(
            "attention_mask",
            ONE
            + "s = Shape(t) n = Gather(s, one) e = Equal(n, one) m = Cast<to=7>(e) y = Max(x, m)",
            {"t": "input_ids"},
        ),
        "huggingface/transformers#36403",
    ),
    edited(
        "nan-where-all-is-masked",
        GPT2,
        "padding",
        "a fully masked row is NaN in the file and finite in eager",
        Argument("h.1/attn/MatMul_1", 0, "y = Identity(s)", {"s": "h.1/attn/Softmax"}),
        "microsoft/onnxscript#2479",
    ),
)

FAULTS = (*POSITIONS, *MASKS)
