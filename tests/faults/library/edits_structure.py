"""Edits that make files invalid, incomplete, or of another opset than requested."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper, numpy_helper

from tests.faults.library.cases import edited, rearranged
from tests.faults.library.ingredients import shorter
from tests.faults.library.subjects import BERT, CLIP, GPT2, LLAMA, T5, VIT, WHISPER
from tests.faults.library.surgery import Edit, Read, Weight, free_output

STEP = "decoder_with_past_model"


def _label(version: int) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = version

    return edit


def _two_versions(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("ai.onnx", 17))


def _ir_version(model: onnx.ModelProto) -> None:
    model.ir_version = 99


def _private_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    value = free_output(model, "logits")
    node = helper.make_node("QuickGelu", [value], ["unused"], domain="com.microsoft")
    model.graph.node.extend([node, helper.make_node("Identity", [value], ["logits"])])


def _domain_not_imported(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "nowhere"


def _unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperator"


def _lost_initializer(model: onnx.ModelProto) -> None:
    del model.graph.initializer[0]


def _unsorted(model: onnx.ModelProto) -> None:
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _contradicting_shape(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5


def _stored_twice(model: onnx.ModelProto) -> None:
    """Store the embedding table twice; use the mean of both lookups."""
    table = next(t for t in model.graph.initializer if "word_embeddings" in t.name)
    copy = numpy_helper.from_array(numpy_helper.to_array(table), "onnx::copy")
    model.graph.initializer.append(copy)
    body = "g = Gather(w, i) s = Add(x, g) h = Constant<value_float=0.5>() y = Mul(s, h)"
    Read("word_embeddings/Gather", body, {"i": "input_ids", "w": "onnx::copy"})(model)


def _with_data(folder: Path) -> Path:
    """Move the weights of a folder's only file to external data; return its path."""
    path = folder / "model.onnx"
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="model.data", size_threshold=64)
    return folder / "model.data"


def _lost_data(folder: Path) -> None:
    _with_data(folder).unlink()


def _truncated_data(folder: Path) -> None:
    data = _with_data(folder)
    data.write_bytes(data.read_bytes()[:-512])


def _data_elsewhere(folder: Path) -> None:
    """Locate the external data by an absolute path of the machine that wrote it."""
    data = _with_data(folder)
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = str(data) if entry.key == "location" else entry.value
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def _lost_part(folder: Path) -> None:
    (folder / "decoder_with_past_model.onnx").unlink()


def _same_decoder_twice(folder: Path) -> None:
    decoder = (folder / "decoder_model.onnx").read_bytes()
    (folder / "decoder_with_past_model.onnx").write_bytes(decoder)


FAULTS = (
    edited(
        "another-opset-label",
        BERT,
        "opset",
        "opset 18 is requested, the file states 19",
        _label(19),
        "airockchip/ultralytics_yolo11#17",
    ),
    edited(
        "older-opset-label", WHISPER, "opset", "one part states opset 17", _label(17), part=STEP
    ),
    edited(
        "two-versions-of-one-domain",
        BERT,
        "opset",
        "the file states opset 18 of the domain '' and opset 17 of its other name, ai.onnx",
        _two_versions,
    ),
    edited(
        "unreadable-ir-version", VIT, "opset", "an IR version that does not exist yet", _ir_version
    ),
    edited(
        "private-domain", BERT, "opset", "an operator that only one runtime has", _private_domain
    ),
    edited(
        "domain-not-imported",
        BERT,
        "opset",
        "a domain is used but not imported",
        _domain_not_imported,
    ),
    edited("unknown-operator", GPT2, "checker", "an operator that no opset has", _unknown_operator),
    edited(
        "lost-initializer",
        LLAMA,
        "checker",
        "a weight that nodes read is missing",
        _lost_initializer,
        "microsoft/onnxscript#2810",
    ),
    edited(
        "shorter-bias",
        VIT,
        "checker",
        "a bias shorter than the rows that it is added to",
        Weight("layers.0.attention.q_proj.bias", shorter),
        "pytorch/pytorch#166797",
    ),
    edited(
        "shorter-bias-of-gemm",
        VIT,
        "agreement",
        "a bias too short in a Gemm, which shape inference does not check",
        Weight("classifier.bias", shorter),
        "pytorch/pytorch#166797",
    ),
    edited(
        "unsorted-nodes", CLIP, "checker", "nodes precede the nodes that they read from", _unsorted
    ),
    edited(
        "contradicting-shape",
        BERT,
        "checker",
        "5 classes are declared, 6 are computed",
        _contradicting_shape,
    ),
    edited(
        "weights-stored-twice",
        BERT,
        "weights",
        "a tied table is stored once for each of its readers",
        _stored_twice,
        "onnx/onnx#3278",
    ),
    rearranged("lost-data", BERT, "checker", "the external data is missing", _lost_data),
    rearranged(
        "truncated-data",
        BERT,
        "weights",
        "the external data is truncated",
        _truncated_data,
        "microsoft/onnxruntime#4707",
    ),
    rearranged(
        "data-elsewhere",
        BERT,
        ("checker", "weights"),
        "the external data has an absolute path",
        _data_elsewhere,
    ),
    rearranged("lost-part", T5, "export", "the decoder with a past is missing", _lost_part),
    rearranged(
        "same-decoder-twice",
        WHISPER,
        "interface",
        "the decoder with a past is a copy of the one without",
        _same_decoder_twice,
    ),
)
