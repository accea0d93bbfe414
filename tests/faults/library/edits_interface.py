"""Edits of files: other inputs, outputs or axes than declared."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from tests.faults.library.cases import edited
from tests.faults.library.subjects import BERT, CLIP, GPT2, LLAMA, T5, VIT
from tests.faults.library.surgery import Edit, Read, Returned, free_output

STEP = "decoder_with_past_model"


def _renamed_input(old: str, new: str) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        next(value for value in model.graph.input if value.name == old).name = new
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                node.input[index] = new if name == old else name

    return edit


def _renamed_output(model: onnx.ModelProto) -> None:
    value = free_output(model, "logits")
    model.graph.output[0].name = "scores"
    model.graph.node.append(helper.make_node("Identity", [value], ["scores"]))


def _undeclared_input(model: onnx.ModelProto) -> None:
    extra = helper.make_tensor_value_info("onnx::Gather_7", TensorProto.FLOAT, [1])
    model.graph.input.append(extra)


def _undeclared_output(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Identity", ["logits"], ["copy"]))
    info = helper.make_tensor_value_info("copy", TensorProto.FLOAT, ["batch_size", 6])
    model.graph.output.append(info)


def _lost_output(model: onnx.ModelProto) -> None:
    del model.graph.output[-1]


def _folded_input(name: str, source: str) -> Edit:
    """Remove an input; compute its value from another one."""

    def edit(model: onnx.ModelProto) -> None:
        Read(name, "y = Sub(a, a)", {"a": source})(model)
        model.graph.input.remove(next(v for v in model.graph.input if v.name == name))

    return edit


def _int32_ids(model: onnx.ModelProto) -> None:
    Read("input_ids", "y = Cast<to=7>(x)")(model)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32


def _float64_logits(model: onnx.ModelProto) -> None:
    Returned("logits", "y = Cast<to=11>(x)")(model)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def _another_rank(model: onnx.ModelProto) -> None:
    """Take a past value as [batch, past, heads x size], as some runtimes store it."""
    name = "past_key_values.0.value"
    heads, size = (dim.dim_value for dim in _dims(model, name)[1::2])
    body = f"s = Constant<value_ints=[0,0,{heads},{size}]>() r = Reshape(x, s) "
    Read(name, body + "y = Transpose<perm=[0,2,1,3]>(r)")(model)
    info = next(value for value in model.graph.input if value.name == name)
    shape = ["batch_size", "past_sequence_length", heads * size]
    info.CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def _query_heads_in_the_past(model: onnx.ModelProto) -> None:
    """Take past keys once per query head; two query heads share a key-value head."""
    for value in model.graph.input:
        if value.name == "past_key_values.0.key":
            value.type.tensor_type.shape.dim[1].dim_value = 4
    body = "i = Constant<value_ints=[0,2]>() y = Gather<axis=1>(x, i)"
    Read("past_key_values.0.key", body)(model)


def _dims(model: onnx.ModelProto, name: str) -> list[onnx.TensorShapeProto.Dimension]:
    values = (*model.graph.input, *model.graph.output)
    return list(next(v for v in values if v.name == name).type.tensor_type.shape.dim)


def _frozen(name: str, axis: int, size: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        _dims(model, name)[axis].dim_value = size

    return edit


def _symbol(name: str, axis: int, text: str) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        _dims(model, name)[axis].dim_param = text

    return edit


FAULTS = (
    edited(
        "renamed-input",
        BERT,
        "interface",
        "the mask has another name",
        _renamed_input("attention_mask", "mask"),
        "huggingface/optimum#1842",
    ),
    edited("renamed-output", GPT2, "interface", "the logits have another name", _renamed_output),
    edited(
        "undeclared-input",
        BERT,
        "interface",
        "a traced value became an input",
        _undeclared_input,
        "huggingface/optimum#2191",
    ),
    edited(
        "undeclared-output", BERT, "interface", "one output is not declared", _undeclared_output
    ),
    edited(
        "lost-output", GPT2, "interface", "the last value of the cache is missing", _lost_output
    ),
    edited(
        "folded-token-types",
        BERT,
        "interface",
        "an input is computed from another one",
        _folded_input("token_type_ids", "input_ids"),
        "pytorch/pytorch#44299",
    ),
    edited(
        "int32-ids",
        BERT,
        "interface",
        "ids are int32 in the file",
        _int32_ids,
        "huggingface/transformers#15575",
    ),
    edited("float64-logits", VIT, "interface", "logits have another dtype", _float64_logits),
    edited(
        "past-of-another-name",
        GPT2,
        "interface",
        "one past key has another name",
        _renamed_input("past_key_values.0.key", "past_key_0"),
        "huggingface/optimum#552",
    ),
    edited(
        "past-of-another-rank",
        LLAMA,
        "interface",
        "values of the past have rank 3",
        _another_rank,
        "huggingface/optimum#552",
    ),
    edited(
        "past-for-all-query-heads",
        LLAMA,
        "agreement",
        "the past has keys for each query head, not for each key-value head",
        _query_heads_in_the_past,
        "huggingface/optimum#600",
    ),
    edited(
        "frozen-batch",
        BERT,
        "dynamic-axes",
        "the batch is declared static, with the size of the export",
        _frozen("input_ids", 0, 3),
        "huggingface/optimum#2320",
    ),
    edited(
        "frozen-past",
        GPT2,
        "dynamic-axes",
        "the past is declared static, with the size of the export",
        _frozen("past_key_values.1.value", 2, 5),
        "pytorch/pytorch#176349",
    ),
    edited(
        "frozen-images",
        VIT,
        "dynamic-axes",
        "the batch is declared static",
        _frozen("pixel_values", 0, 3),
    ),
    edited(
        "number-as-symbol",
        BERT,
        "dynamic-axes",
        "a size is written as a symbol",
        _symbol("input_ids", 0, "3"),
    ),
    edited(
        "classes-as-symbol",
        BERT,
        "dynamic-axes",
        "a static axis is declared dynamic",
        _symbol("logits", 1, "num_labels"),
    ),
    edited(
        "one-symbol-for-two-sizes",
        CLIP,
        "dynamic-axes",
        "texts and images are declared with one symbol",
        _symbol("pixel_values", 0, "text_batch_size"),
    ),
    edited(
        "present-as-long-as-past",
        T5,
        "dynamic-axes",
        "the returned cache is declared as long as the past",
        _symbol("present.0.decoder.key", 2, "past_decoder_sequence_length"),
        part=STEP,
    ),
)
