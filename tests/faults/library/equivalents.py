"""Edits that look like faults but change nothing beyond rounding."""

from __future__ import annotations

from tests.faults.library.cases import edited
from tests.faults.library.edits_encoders import SELF
from tests.faults.library.ingredients import ONE_MORE, between
from tests.faults.library.subjects import BERT, T5, VIT, Subject
from tests.faults.library.surgery import All, Argument, Array, Read, Weight

LLAMA_WITHOUT_PAST = Subject("llama", "text-generation")


def _nothing(array: Array) -> Array:
    return array * 0


def _halved(array: Array) -> Array:
    return array / 2


FAULTS = (
    edited(
        "no-key-bias",
        BERT,
        (),
        "a key bias adds one number to all scores of a query, which softmax cancels",
        All(tuple(Weight(f"layer.{n}.attention.self.key.bias", _nothing) for n in (0, 1))),
    ),
    edited(
        "no-key-bias",
        VIT,
        (),
        "a key bias adds one number to all scores of a query, which softmax cancels",
        All(tuple(Weight(f"layers.{n}.attention.k_proj.bias", _nothing) for n in (0, 1))),
    ),
    edited(
        "masks-by-ten-thousand",
        BERT,
        (),
        "-10000 instead of -inf: its exponential is 0 in float32 too",
        All(
            tuple(
                Argument(SELF.format(n) + "Where", 2, "y = Constant<value_float=-10000.0>()")
                for n in (0, 1)
            )
        ),
    ),
    edited(
        "shifts-embeddings",
        BERT,
        (),
        "normalisation cancels a number that is added to all entries",
        Argument(
            "embeddings/LayerNorm/LayerNormalization",
            0,
            "k = Constant<value_float=1.0>() y = Add(x, k)",
        ),
    ),
    edited(
        "shifts-positions-without-past",
        LLAMA_WITHOUT_PAST,
        (),
        "without a past, rotary attention depends only on distances between positions",
        Read("position_ids", ONE_MORE),
    ),
    edited(
        "distances-end-where-buckets-do",
        T5,
        (),
        "all distances above 12 share a bucket",
        Read(
            "block.0/layer.0/SelfAttention/Sub",
            between(-13, 13),
        ),
        part="encoder_model",
    ),
    edited(
        "scale-moved",
        BERT,
        (),
        "queries are halved by the weights, and their scale is doubled",
        All(
            (
                Weight(SELF.format(0) + "query/MatMul", _halved),
                Weight("layer.0.attention.self.query.bias", _halved),
                Weight(SELF.format(0) + "Mul", lambda scale: scale * 2),
            )
        ),
    ),
)
