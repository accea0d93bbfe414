"""Edits of decoders: the past that they take, and the cache and logits that they return."""

from __future__ import annotations

from tests.faults.library.cases import edited
from tests.faults.library.ingredients import (
    AS_HALF,
    ATTENTION,
    FIRST_ROW,
    KEY,
    NOTHING,
    PAST,
    PAST_LENGTH,
    VALUE,
    as_half,
    rolled_columns,
    taken,
    within,
)
from tests.faults.library.subjects import GPT2, LLAMA
from tests.faults.library.surgery import (
    All,
    Argument,
    Exchanged,
    Read,
    Returned,
    Swapped,
    Weight,
)


def _every_past(body: str) -> All:
    names = [f"past_key_values.{layer}.{kind}" for layer in (0, 1) for kind in ("key", "value")]
    return All(tuple(Read(name, body) for name in names))


FAULTS = (
    edited(
        "ignores-past",
        GPT2,
        "agreement",
        "all values of the past are replaced by zeros",
        _every_past(NOTHING),
    ),
    edited(
        "past-of-first-row",
        LLAMA,
        "agreement",
        "all rows of a batch continue from the past of the first",
        _every_past(FIRST_ROW),
    ),
    edited(
        "crosses-layers",
        GPT2,
        "agreement",
        "the past keys of two layers are exchanged",
        Exchanged(KEY, "past_key_values.1.key"),
    ),
    edited(
        "swaps-key-and-value",
        LLAMA,
        "agreement",
        "past keys and values are exchanged",
        Exchanged(KEY, VALUE),
    ),
    edited(
        "returns-value-for-key",
        GPT2,
        "agreement",
        "returned keys and values are exchanged",
        Swapped("present.1.key", "present.1.value"),
    ),
    edited(
        "returns-new-keys-alone",
        GPT2,
        "dynamic-axes",
        "the returned keys omit the past",
        Returned(
            "present.0.key",
            "f = Constant<value_ints=[2]>() s = Shape(k) b = Gather(s, f) "
            "e = Constant<value_ints=[99999]>() y = Slice(x, b, e, f)",
            PAST,
        ),
    ),
    edited(
        "returns-rounded-keys",
        GPT2,
        "agreement",
        "returned keys are rounded to float16",
        Returned("present.0.key", AS_HALF),
        "microsoft/onnxruntime#11384",
    ),
    edited(
        "saturates-past",
        GPT2,
        "agreement",
        "keys and values of the past are clipped at 5.5, which random ones do not reach",
        _every_past(within(5.5)),
        "microsoft/onnxruntime#21345",
    ),
    edited(
        "groups-heads-otherwise",
        LLAMA,
        "agreement",
        "key-value heads are tiled instead of repeated",
        All(
            tuple(
                Argument(f"{ATTENTION.format(n)}Reshape_4", 0, "y = Transpose<perm=[0,2,1,3,4]>(x)")
                for n in (0, 1)
            )
        ),
        "microsoft/onnxruntime#26813",
    ),
    edited(
        "wrong-without-past",
        GPT2,
        "agreement",
        "the trace froze a branch for a non-empty past",
        Returned(
            "logits",
            PAST_LENGTH + "zero = Constant<value_int=0>() e = Equal(n, zero) f = Cast<to=1>(e) "
            "y = Add(x, f)",
            PAST,
        ),
        "huggingface/transformers#14326",
        "microsoft/onnxruntime#26262",
    ),
    edited(
        "last-logits-alone",
        GPT2,
        "dynamic-axes",
        "only logits of the last token, although logits of all are declared",
        Returned("logits", taken("-1", axis=1)),
    ),
    edited(
        "logits-rolled",
        LLAMA,
        "agreement",
        "the head's weights are shifted by one vocabulary entry",
        Weight("lm_head/MatMul", rolled_columns),
    ),
    edited(
        "embeddings-as-half",
        LLAMA,
        "agreement",
        "embeddings are rounded to float16",
        Weight("embed_tokens.weight", as_half),
        "huggingface/optimum#1755",
    ),
)
