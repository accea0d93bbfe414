"""Edits of a file's weights, precision and logits, and added randomness."""

from __future__ import annotations

import onnx

from tests.faults.library.cases import edited
from tests.faults.library.edits_encoders import SELF
from tests.faults.library.ingredients import (
    FIRST_ROW,
    NOTHING,
    as_bfloat,
    as_half,
    as_int8,
    backwards,
    one_changed,
    taken,
    transposed,
)
from tests.faults.library.subjects import BERT
from tests.faults.library.surgery import (
    All,
    AllWeights,
    Argument,
    Read,
    Returned,
    Weight,
    tensor_at,
)


def _epsilon(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "epsilon":
                attribute.f = 1e-3


def _layers_exchanged(model: onnx.ModelProto) -> None:
    places = [f"encoder/layer.{layer}/intermediate/dense/MatMul" for layer in (0, 1)]
    first, second = (tensor_at(model, place) for place in places)
    first.raw_data, second.raw_data = second.raw_data, first.raw_data


_TANH = "a = Mul(d, d) k = Constant<value_float=0.08943>() b = Mul(a, k) "
_TANH += (
    "f = Mul(b, d) g = Add(f, d) h = Constant<value_float=1.1283791>() i = Mul(g, h) y = Tanh(i)"
)
_ACTIVATION = "layer.{}/intermediate/intermediate_act_fn/"


def _tanh(layer: int) -> Argument:
    place = _ACTIVATION.format(layer)
    return Argument(f"{place}Add", 0, _TANH, {"d": f"{place}Div"})


WEIGHTS = (
    edited(
        "one-weight-changed",
        BERT,
        "agreement",
        "one entry of one matrix is 0.01 larger",
        Weight(SELF.format(1) + "query/MatMul", one_changed),
    ),
    edited(
        "matrix-transposed",
        BERT,
        "agreement",
        "a square matrix is transposed",
        Weight(SELF.format(0) + "value/MatMul", transposed),
    ),
    edited(
        "layers-exchanged",
        BERT,
        "agreement",
        "one weight is exchanged between two layers",
        _layers_exchanged,
    ),
    edited(
        "queries-for-keys",
        BERT,
        "agreement",
        "one layer compares queries with queries",
        Argument(
            SELF.format(0) + "Reshape_1", 0, "y = Identity(q)", {"q": SELF.format(0) + "query/Add"}
        ),
    ),
    edited(
        "another-epsilon",
        BERT,
        "agreement",
        "normalisation adds 1e-3, not 1e-12, to the variance",
        _epsilon,
    ),
    edited(
        "tanh-for-erf",
        BERT,
        "agreement",
        "the activation is replaced by its tanh approximation",
        All(
            tuple(
                Argument(
                    f"{_ACTIVATION.format(n)}Add", 0, _TANH, {"d": f"{_ACTIVATION.format(n)}Div"}
                )
                for n in (0, 1)
            )
        ),
    ),
    edited(
        "weights-as-float16",
        BERT,
        "agreement",
        "matrices are rounded to float16",
        AllWeights(as_half),
        "huggingface/optimum#607",
    ),
    edited(
        "weights-as-bfloat16",
        BERT,
        "agreement",
        "matrices are cut to bfloat16",
        AllWeights(as_bfloat),
        "pytorch/pytorch#153998",
    ),
    edited(
        "weights-as-int8",
        BERT,
        "agreement",
        "matrices are rounded to 255 steps",
        AllWeights(as_int8),
    ),
)

OUTPUTS = (
    edited(
        "offset",
        BERT,
        "agreement",
        "logits are 1e-3 too large",
        Returned("logits", "k = Constant<value_float=0.001>() y = Add(x, k)"),
        "huggingface/optimum#449",
    ),
    edited(
        "relative-error",
        BERT,
        "agreement",
        "logits have a relative error of 9e-6, which an rtol permits",
        Returned("logits", "k = Constant<value_float=1.000009>() y = Mul(x, k)"),
        "huggingface/optimum#1131",
        at_stated=True,
    ),
    edited(
        "nan",
        BERT,
        "agreement",
        "logits are NaN",
        Returned("logits", "z = Sub(x, x) y = Div(z, z)"),
    ),
    edited("zeros", BERT, "agreement", "logits are 0", Returned("logits", NOTHING)),
    edited(
        "probabilities",
        BERT,
        "agreement",
        "probabilities instead of logits",
        Returned("logits", "y = Softmax<axis=-1>(x)"),
    ),
    edited(
        "classes-permuted",
        BERT,
        "agreement",
        "classes are in another order",
        Returned("logits", taken("1,0,2,3,4,5", axis=1)),
    ),
    edited(
        "batch-permuted",
        BERT,
        "agreement",
        "rows of the batch are in another order",
        Returned("logits", backwards(0)),
    ),
    edited(
        "first-row-for-all",
        BERT,
        "agreement",
        "every row of the batch has the logits of the first",
        Returned("logits", FIRST_ROW),
        "microsoft/onnxruntime#12064",
    ),
    edited(
        "one-row",
        BERT,
        "dynamic-axes",
        "one row is returned for any batch, which broadcasting hides",
        Returned("logits", taken("0", axis=0)),
    ),
    edited(
        "baked-batch",
        BERT,
        "agreement",
        "the batch is declared dynamic, but only the batch of the export works",
        Returned("logits", "s = Constant<value_ints=[3,6]>() y = Reshape(x, s)"),
        "pytorch/pytorch#152018",
    ),
    edited(
        "wrong-for-one-row",
        BERT,
        "agreement",
        "the trace froze a branch for a batch over 1",
        Returned(
            "logits",
            "s = Shape(x) i = Constant<value_int=0>() n = Gather(s, i) k = Constant<value_int=1>() "
            "e = Equal(n, k) f = Cast<to=1>(e) y = Add(x, f)",
        ),
        "huggingface/transformers#36403",
    ),
    edited(
        "drops-out",
        BERT,
        "agreement",
        "a tenth of the embeddings is dropped at random",
        Read(
            "bert/embeddings/LayerNorm/LayerNormalization",
            "u = RandomUniformLike(x) r = Constant<value_float=0.1>() l = Less(r, u) "
            "m = Cast<to=1>(l) y = Mul(x, m)",
        ),
        "intel/intel-extension-for-transformers#767",
    ),
    edited(
        "rolls-dice",
        BERT,
        "determinism",
        "noise far below the tolerance is added",
        Returned("logits", "n = RandomNormalLike<scale=0.0000002>(x) y = Add(x, n)"),
        "intel/intel-extension-for-transformers#767",
    ),
    edited(
        "dropout-in-training",
        BERT,
        "determinism",
        "a Dropout in training mode, which ONNX Runtime happens to run as an identity",
        Read(
            "bert/embeddings/LayerNorm/LayerNormalization",
            "r = Constant<value_float=0.1>() t = Constant<value = bool {1}>() y = Dropout(x, r, t)",
        ),
    ),
)

FAULTS = (*WEIGHTS, *OUTPUTS)
