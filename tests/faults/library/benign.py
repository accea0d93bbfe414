"""Edits without effect, and other correct exports; all of them must conform."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnx import helper, version_converter

from harness import Exporter
from tests.faults.library.cases import ONLY_PART, Edited, Exported, Foreign, Rearranged
from tests.faults.library.core import Benign
from tests.faults.library.exporter_kinds import Describing, Preparing, WrongExporter
from tests.faults.library.ingredients import SAME
from tests.faults.library.subjects import (
    BERT,
    CLIP,
    GPT2,
    LLAMA,
    MISTRAL,
    MIXTRAL,
    T5,
    VIT,
    WHISPER,
    Subject,
)
from tests.faults.library.surgery import Edit, Read, Returned, reverse_inputs


def _renamed_symbols(model: onnx.ModelProto) -> None:
    names = {"batch_size": "N", "sequence_length": "L"}
    for dim in _dims(model):
        dim.dim_param = names.get(dim.dim_param, dim.dim_param)


def _other_order_of_sums(model: onnx.ModelProto) -> None:
    for dim in _dims(model):
        if dim.dim_param == "past_sequence_length + sequence_length":
            dim.dim_param = "sequence_length + past_sequence_length"


def _named_image_axes(model: onnx.ModelProto) -> None:
    (pixels,) = model.graph.input
    for axis, name in enumerate(("num_channels", "height", "width"), start=1):
        pixels.type.tensor_type.shape.dim[axis].dim_param = name


def _unknown_dims(model: onnx.ModelProto) -> None:
    for dim in _dims(model):
        if dim.dim_param:
            dim.Clear()


def _dims(model: onnx.ModelProto) -> list[onnx.TensorShapeProto.Dimension]:
    values = (*model.graph.input, *model.graph.output)
    return [dim for value in values for dim in value.type.tensor_type.shape.dim]


def _with_value_info(model: onnx.ModelProto) -> None:
    model.CopyFrom(onnx.shape_inference.infer_shapes(model))


def _without_value_info(model: onnx.ModelProto) -> None:
    del model.graph.value_info[:]


def _initializers_as_constants(model: onnx.ModelProto) -> None:
    for tensor in list(model.graph.initializer):
        node = helper.make_node("Constant", [], [tensor.name], value=tensor)
        model.graph.node.insert(0, node)
        model.graph.initializer.remove(tensor)


def _constants_as_initializers(model: onnx.ModelProto) -> None:
    for node in [node for node in model.graph.node if node.op_type == "Constant"]:
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        model.graph.node.remove(node)


def _initializers_as_inputs(model: onnx.ModelProto) -> None:
    """Add every initializer to the inputs, as IR version 3 requires."""
    for tensor in model.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        model.graph.input.append(info)


def _reverse_outputs(model: onnx.ModelProto) -> None:
    outputs = list(model.graph.output)[::-1]
    del model.graph.output[:]
    model.graph.output.extend(outputs)


def _reverse_initializers(model: onnx.ModelProto) -> None:
    tensors = list(model.graph.initializer)[::-1]
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors)


def _renamed_inside(model: onnx.ModelProto) -> None:
    """Rename nodes, weights and values, but not inputs and outputs."""
    kept = {value.name for value in (*model.graph.input, *model.graph.output)} | {""}
    names: dict[str, str] = {name: name for name in kept}
    for tensor in model.graph.initializer:
        tensor.name = names.setdefault(tensor.name, f"w{len(names)}")
    for index, node in enumerate(model.graph.node):
        node.name = f"n{index}"
        for values in (node.input, node.output):
            for place, name in enumerate(values):
                values[place] = names.setdefault(name, f"v{len(names)}")


def _documented(model: onnx.ModelProto) -> None:
    model.producer_name, model.doc_string = "another", "written by hand"
    model.graph.name, model.graph.doc_string = "main", "a graph"
    helper.set_model_props(model, {"author": "someone"})
    for node in model.graph.node:
        node.doc_string = "a node"


def _ir_version(version: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        model.ir_version = version

    return edit


def _one_domain_more(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))


def _domain_by_name(model: onnx.ModelProto) -> None:
    model.opset_import[0].domain = "ai.onnx"


def _converted(model: onnx.ModelProto) -> None:
    model.CopyFrom(version_converter.convert_version(model, 21))


def _with_a_function(model: onnx.ModelProto) -> None:
    """Compute the first Tanh by a function that the file defines."""
    body = [helper.make_node("Tanh", ["a"], ["b"])]
    imports = [helper.make_opsetid("", 18)]
    function = helper.make_function("local", "Squash", ["a"], ["b"], body, imports)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    node = next(node for node in model.graph.node if node.op_type == "Tanh")
    node.op_type, node.domain = "Squash", "local"


def _with_data(folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        model = onnx.load(path)
        place = f"{path.stem}.data"
        onnx.save(model, path, save_as_external_data=True, location=place, size_threshold=64)


def _optimised(folder: Path) -> None:
    """Let ONNX Runtime optimise the file, at the level that keeps to standard operators."""
    path = folder / "model.onnx"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (folder / "optimised.onnx").replace(path)


def _eager_attention(model: Any) -> None:
    model.set_attn_implementation("eager")


def _unfolded(arguments: dict[str, Any]) -> None:
    arguments["do_constant_folding"] = False


def _edit(name: str, subject: Subject, edit: Edit, reason: str, *, is_asked: bool = True) -> Benign:
    return Benign(name, subject, reason, Edited(edit, ONLY_PART, is_asked))


def _folder(name: str, subject: Subject, change: Callable[[Path], None], reason: str) -> Benign:
    return Benign(name, subject, reason, Rearranged(change))


def _foreign(
    name: str, subject: Subject, exporter: Exporter | str, reason: str, **how: Any
) -> Benign:
    return Benign(name, subject, reason, Foreign(exporter, **how))


EDITS = (
    _edit(
        "named-image-axes",
        VIT,
        _named_image_axes,
        "the model itself fixes channels, height and width, so nothing is lost",
    ),
    _edit("identity-of-output", BERT, Returned("logits", SAME), "an Identity changes nothing"),
    _edit(
        "identity-of-past", GPT2, Read("past_key_values.0.key", SAME), "an Identity changes nothing"
    ),
    _edit(
        "dropout-in-inference",
        VIT,
        Returned("logits", "r = Constant<value_float=0.1>() y = Dropout(x, r)"),
        "a Dropout that drops nothing, since no mode is given",
    ),
    _edit(
        "in-double-precision",
        BERT,
        Returned(
            "logits",
            "d = Cast<to=11>(x) k = Constant<value = double {1.0}>() m = Mul(d, k) "
            "y = Cast<to=1>(m)",
        ),
        "one step has a higher precision",
    ),
    _edit("renamed-symbols", BERT, _renamed_symbols, "another exporter may name axes differently"),
    _edit("other-order-of-sums", LLAMA, _other_order_of_sums, "the order of a sum has no meaning"),
    _edit("unknown-dims", CLIP, _unknown_dims, "an exporter may leave axes unnamed"),
    _edit("with-value-info", BERT, _with_value_info, "inferred shapes are stored in the file"),
    _edit(
        "initializers-as-constants",
        BERT,
        _initializers_as_constants,
        "weights are stored as Constant nodes",
    ),
    _edit(
        "constants-as-initializers",
        GPT2,
        _constants_as_initializers,
        "constants are stored as weights",
    ),
    _edit("initializers-as-inputs", VIT, _initializers_as_inputs, "older IR versions require this"),
    _edit("inputs-in-another-order", BERT, reverse_inputs, "inputs are bound by name"),
    _edit("outputs-in-another-order", GPT2, _reverse_outputs, "outputs are bound by name"),
    _edit("initializers-in-another-order", VIT, _reverse_initializers, "weights have no order"),
    _edit("renamed-inside", LLAMA, _renamed_inside, "an exporter may choose inner names"),
    _edit("documented", CLIP, _documented, "documentation has no effect"),
    _edit("another-ir-version", BERT, _ir_version(9), "an IR version that the runtime reads"),
    _edit("one-domain-more", BERT, _one_domain_more, "a standard domain that nothing uses"),
    _edit("domain-by-name", VIT, _domain_by_name, "the default domain under its other name"),
    _edit("with-a-function", BERT, _with_a_function, "a function that the file defines"),
    _edit("converted-to-21", BERT, _converted, "converted by onnx", is_asked=False),
    _folder("with-data", T5, _with_data, "weights are external data"),
    _folder("optimised", GPT2, _optimised, "optimised by ONNX Runtime"),
)

OTHER_EXPORTS = (
    Benign(
        "control", BERT, "the base class of all wrong exporters", Exported(WrongExporter("none"))
    ),
    _foreign("correct", WHISPER, "torchscript", "the export that edits start from"),
    _foreign("correct", MISTRAL, "torchscript", "the export that edits start from"),
    _foreign("correct", MIXTRAL, "torchscript", "the export that edits start from"),
    _foreign("dynamo", BERT, "dynamo", "another correct exporter"),
    _foreign("dynamo-older-ir", VIT, "dynamo", "IR version 8", edit=_ir_version(8)),
    _foreign(
        "dynamo-without-value-info",
        GPT2,
        "dynamo",
        "shapes of inner values are not stored",
        edit=_without_value_info,
    ),
    _foreign("opset-14", BERT, "torchscript", "another opset; no opset is requested", opset=14),
    _foreign("eager-attention", GPT2, Preparing("eager", _eager_attention), "eager attention"),
    _foreign("unfolded", BERT, Describing("unfolded", _unfolded), "constants are not folded"),
)

BENIGN = (*EDITS, *OTHER_EXPORTS)
