"""Edits of encoder-decoders: inside one part, and of tensors passed to the next part."""

from __future__ import annotations

from tests.faults.library.cases import edited
from tests.faults.library.ingredients import (
    ALL_SEEN,
    FIRST_ROW,
    NOTHING,
    ONE_MORE,
    at_most,
    backwards,
    between,
    rolled,
    rolled_columns,
    zero_last_row,
)
from tests.faults.library.subjects import T5, WHISPER
from tests.faults.library.surgery import Argument, Exchanged, Read, Returned, Swapped, Weight

ENCODER, DECODER, STEP = "encoder_model", "decoder_model", "decoder_with_past_model"
SELF = "block.0/layer.0/SelfAttention/"

TEXT = (
    edited(
        "ignores-mask",
        T5,
        "agreement",
        "the encoder sees padding",
        Read("attention_mask", ALL_SEEN),
        "huggingface/optimum#1325",
        part=ENCODER,
    ),
    edited(
        "ignores-encoder-mask",
        T5,
        "agreement",
        "the first step sees padding of the encoder",
        Read("encoder_attention_mask", ALL_SEEN),
        part=DECODER,
    ),
    edited(
        "ignores-encoder-mask-in-steps",
        T5,
        "agreement",
        "later steps see padding of the encoder",
        Read("encoder_attention_mask", ALL_SEEN),
        part=STEP,
    ),
    edited(
        "distances-folded",
        T5,
        "agreement",
        "relative positions end at a distance of 4",
        Read(SELF + "Sub", between(-4, 4)),
        "neuralmagic/sparseml#1826",
        part=ENCODER,
    ),
    edited(
        "distances-of-one-side",
        T5,
        "agreement",
        "earlier and later tokens are not distinguished",
        Read(SELF + "Sub", "y = Abs(x)"),
        part=ENCODER,
    ),
    edited(
        "forgets-past-length",
        T5,
        "agreement",
        "relative positions ignore the past",
        Argument("decoder/" + SELF + "Add", 1, NOTHING),
        "huggingface/transformers#36403",
        part=STEP,
    ),
    edited(
        "logits-not-scaled",
        T5,
        "agreement",
        "the scale of a tied head is lost",
        Read("decoder/final_layer_norm/Mul_1", "k = Constant<value_float=1.01>() y = Mul(x, k)"),
        part=DECODER,
    ),
    edited(
        "sees-one-ahead",
        T5,
        "agreement",
        "the causal mask of later steps is off by one",
        Argument("decoder/LessOrEqual", 1, ONE_MORE),
        part=STEP,
    ),
    edited(
        "returns-rolled-keys",
        T5,
        "agreement",
        "the keys returned by the first step are shifted by one token",
        Returned(
            "present.0.decoder.key",
            "z = Constant<value_ints=[0]>() o = Constant<value_ints=[1]>() "
            "m = Constant<value_ints=[-1]>() e = Constant<value_ints=[99999]>() "
            "a = Constant<value_ints=[2]>() f = Slice(x, m, e, a) g = Slice(x, z, m, a) "
            "y = Concat<axis=2>(f, g)",
        ),
        part=DECODER,
    ),
    edited(
        "crosses-layers-of-encoder",
        T5,
        "agreement",
        "the encoder keys of two layers are exchanged",
        Exchanged("past_key_values.0.encoder.key", "past_key_values.1.encoder.key"),
        part=STEP,
    ),
)

SPEECH = (
    edited(
        "forgets-past-length",
        WHISPER,
        "agreement",
        "positions restart at 0 in every step",
        Argument("decoder/Add", 1, NOTHING),
        "huggingface/transformers#14326",
        part=STEP,
    ),
    edited(
        "loses-last-position",
        WHISPER,
        "agreement",
        "the last row of the position table is zero",
        Weight("decoder.embed_positions.weight", zero_last_row),
        part=STEP,
    ),
    edited(
        "positions-folded",
        WHISPER,
        "agreement",
        "the file contains only 24 positions",
        Argument("embed_positions/Gather", 1, at_most(23)),
        "neuralmagic/sparseml#1826",
        part=STEP,
    ),
    edited(
        "frames-reversed",
        WHISPER,
        "agreement",
        "the frames of the sound are reversed",
        Read("input_features", backwards(2)),
        part=ENCODER,
    ),
    edited(
        "bins-rolled",
        WHISPER,
        "agreement",
        "mel bins are shifted by one",
        Weight("model.conv1.weight", rolled_columns),
        part=ENCODER,
    ),
    edited(
        "sound-of-first-row",
        WHISPER,
        "agreement",
        "all rows of a batch get the sound of the first row",
        Read("encoder_hidden_states", FIRST_ROW),
        part=DECODER,
    ),
    edited(
        "returns-value-for-key-of-encoder",
        WHISPER,
        "agreement",
        "the returned keys and values of the encoder are exchanged",
        Swapped("present.2.encoder.key", "present.2.encoder.value"),
        part=DECODER,
    ),
    edited(
        "past-of-first-row",
        WHISPER,
        "agreement",
        "all rows of a batch continue from the past of the first",
        Read("past_key_values.1.decoder.value", FIRST_ROW),
        part=STEP,
    ),
    edited(
        "one-bias-rolled",
        WHISPER,
        "agreement",
        "a bias of the last layer is shifted by one",
        Weight("decoder.layers.2.fc2.bias", rolled),
        part=STEP,
    ),
)

FAULTS = (*TEXT, *SPEECH)
