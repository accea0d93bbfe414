"""Edits of an encoder: its mask, its tokens and their positions."""

from __future__ import annotations

from tests.faults.library.cases import edited
from tests.faults.library.ingredients import (
    ALL_SEEN,
    FIRST_ROW,
    NOTHING,
    ONE,
    ONE_MORE,
    PLACES,
    at_most,
    backwards,
    zero_last_row,
)
from tests.faults.library.subjects import BERT
from tests.faults.library.surgery import (
    All,
    Argument,
    Read,
    Weight,
)

SELF = "encoder/layer.{}/attention/self/"


_WEAKLY = "y = Constant<value_float=-5.0>()"

MASKS = (
    edited(
        "ignores-mask",
        BERT,
        "agreement",
        "the mask has no effect",
        Read("attention_mask", ALL_SEEN),
        "huggingface/transformers#16004",
    ),
    edited(
        "inverts-mask",
        BERT,
        "agreement",
        "the mask is inverted",
        Read("attention_mask", ONE + "y = Sub(one, x)"),
    ),
    edited(
        "takes-mask-for-prefix",
        BERT,
        "agreement",
        "the mask becomes a prefix with as many ones",
        Read(
            "attention_mask",
            PLACES + "a = Constant<value_ints=[1]>() n = ReduceSum(x, a) l = Less(p, n) "
            "y = Cast<to=7>(l)",
        ),
        "microsoft/onnxruntime#18945",
        "huggingface/optimum#978",
    ),
    edited(
        "mirrors-mask",
        BERT,
        "agreement",
        "the mask is reversed, so left padding becomes right padding",
        Read("attention_mask", backwards(1)),
    ),
    edited(
        "masks-by-first-row",
        BERT,
        "agreement",
        "all rows of a batch are padded like the first",
        Read("attention_mask", FIRST_ROW),
        "huggingface/optimum#1325",
    ),
    edited(
        "masks-in-one-layer",
        BERT,
        "agreement",
        "the second layer ignores the mask",
        Argument(SELF.format(1) + "Add", 1, "y = Constant<value_float=0.0>()"),
    ),
    edited(
        "masks-softly",
        BERT,
        "agreement",
        "masked tokens keep a small weight",
        All(tuple(Argument(SELF.format(n) + "Where", 2, _WEAKLY) for n in (0, 1))),
        "pytorch/pytorch#153998",
    ),
    edited(
        "hides-the-future",
        BERT,
        "agreement",
        "the encoder's attention is causal",
        Read("/model/bert/Expand", "f = Cast<to=1>(x) t = Trilu<upper=0>(f) y = Cast<to=9>(t)"),
    ),
    edited(
        "sees-first-token-always",
        BERT,
        "padding",
        "the first token is seen even if it is padding",
        Read(
            "attention_mask",
            PLACES + "nil = Constant<value_int=0>() e = Equal(p, nil) m = Cast<to=7>(e) "
            "y = Max(x, m)",
        ),
        "huggingface/optimum#978",
    ),
    edited(
        "nan-where-all-is-masked",
        BERT,
        "padding",
        "a fully masked row is NaN in the file and finite in eager",
        Argument(
            SELF.format(0) + "MatMul_1", 0, "y = Identity(s)", {"s": SELF.format(0) + "Softmax"}
        ),
        "microsoft/onnxscript#2479",
        "pytorch/pytorch#103749",
    ),
)

TOKENS = (
    edited(
        "ignores-token-types",
        BERT,
        "agreement",
        "token types have no effect",
        Read("token_type_ids", NOTHING),
    ),
    edited(
        "knows-two-token-types",
        BERT,
        "agreement",
        "the third token type is taken for the second",
        Read("token_type_ids", at_most(1)),
    ),
    edited(
        "loses-last-word",
        BERT,
        "agreement",
        "the last row of the word embeddings is zero",
        Weight("word_embeddings.weight", zero_last_row),
    ),
    edited(
        "counts-positions-from-one",
        BERT,
        "agreement",
        "positions are shifted by one",
        Argument("position_embeddings/Gather", 1, ONE_MORE),
    ),
    edited(
        "positions-folded",
        BERT,
        "agreement",
        "the file contains only 16 positions: right at 8 and 9 tokens, wrong at 28",
        Argument("position_embeddings/Gather", 1, at_most(15)),
        "neuralmagic/sparseml#1826",
    ),
    edited(
        "positions-of-one-length",
        BERT,
        "agreement",
        "positions end at the length of the export",
        Argument("bert/embeddings/Slice", 2, "y = Constant<value_ints=[7]>()"),
        "pytorch/pytorch#122321",
        "pytorch/pytorch#148886",
    ),
    edited(
        "attends-to-two-blocks",
        BERT,
        "agreement",
        "`length // block` was computed in Python: tokens after two blocks of 8 are masked",
        Read(
            "attention_mask",
            PLACES + "k = Constant<value_int=16>() l = Less(p, k) m = Cast<to=7>(l) y = Mul(x, m)",
        ),
        "huggingface/transformers#20275",
    ),
    edited(
        "pools-last-token",
        BERT,
        "agreement",
        "the last token is pooled, not the first",
        Argument("pooler/Gather", 1, "y = Constant<value_int=-1>()"),
    ),
)

FAULTS = (*MASKS, *TOKENS)
