"""Merge two decoders into one file with two branches, as Optimum does.

Weights that both branches have are stored once, and integers of one axis stay in their branch:
https://github.com/huggingface/optimum-onnx/blob/main/optimum/onnx/graph_transformations.py
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnx
from onnx import helper

MERGED = "decoder_model_merged.onnx"


def merge_decoders(
    first: onnx.ModelProto, following: onnx.ModelProto, *, is_swapped: bool = False
) -> onnx.ModelProto:
    """Return the file of both; with `is_swapped`, a fault, the branches are exchanged."""
    outputs = list(first.graph.output)
    _complete_outputs(following.graph, outputs)
    weights: dict[tuple[object, ...], onnx.TensorProto] = {}
    branches = [
        _branch(one.graph, outputs, weights, name=name)
        for name, one in (("no_past", first), ("with_past", following))
    ]
    no_past, with_past = reversed(branches) if is_swapped else branches
    use_cache = helper.make_tensor_value_info("use_cache_branch", onnx.TensorProto.BOOL, [1])
    chosen = helper.make_node(
        "If",
        ["use_cache_branch"],
        [output.name for output in outputs],
        then_branch=with_past,
        else_branch=no_past,
    )
    inputs = {value.name: value for one in (following, first) for value in one.graph.input}
    inputs = {value.name: inputs[value.name] for value in (*first.graph.input, *inputs.values())}
    graph = helper.make_graph(
        [chosen], "merged", [*inputs.values(), use_cache], outputs, list(weights.values())
    )
    return helper.make_model(graph, opset_imports=first.opset_import, ir_version=9)


def merge_folder(folder: Path, *, is_swapped: bool = False) -> Path:
    """Put a merged decoder in place of the two decoders of a folder, and return its path."""
    files = [folder / "decoder_model.onnx", folder / "decoder_with_past_model.onnx"]
    first, following = (onnx.load(file) for file in files)
    onnx.save(merge_decoders(first, following, is_swapped=is_swapped), folder / MERGED)
    for file in files:
        file.unlink()
    return folder / MERGED


def without_past(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a decoder that takes no past and does what the given one does with an empty past."""
    first = onnx.ModelProto()
    first.CopyFrom(model)
    graph = first.graph
    pasts = [value for value in graph.input if value.name.startswith("past_")]
    nodes = [helper.make_node("Shape", ["input_ids"], ["batch"], start=0, end=1)]
    for past in pasts:
        _, heads, _, width = (dim.dim_value for dim in past.type.tensor_type.shape.dim)
        rest = helper.make_tensor(
            f"{past.name}.rest", onnx.TensorProto.INT64, [3], [heads, 0, width]
        )
        graph.initializer.append(rest)
        nodes += [
            helper.make_node("Concat", ["batch", rest.name], [f"{past.name}.shape"], axis=0),
            helper.make_node("ConstantOfShape", [f"{past.name}.shape"], [f"{past.name}.empty"]),
        ]
        graph.input.remove(past)
    names = {past.name: f"{past.name}.empty" for past in pasts}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    following = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(following)
    return first


def _complete_outputs(graph: onnx.GraphProto, outputs: Iterable[onnx.ValueInfoProto]) -> None:
    """Add an empty constant for each output that the graph lacks."""
    known = {output.name for output in graph.output}
    for output in (output for output in outputs if output.name not in known):
        _, heads, _, width = (dim.dim_value for dim in output.type.tensor_type.shape.dim)
        empty = helper.make_tensor("empty", onnx.TensorProto.FLOAT, [0, heads, 1, width], [])
        graph.node.append(helper.make_node("Constant", [], [output.name], value=empty))


def _branch(
    graph: onnx.GraphProto,
    outputs: list[onnx.ValueInfoProto],
    weights: dict[tuple[object, ...], onnx.TensorProto],
    *,
    name: str,
) -> onnx.GraphProto:
    """Return the graph of a branch; weights that both may have go to `weights`."""
    own, renamed = [], {}
    for tensor in graph.initializer:
        is_shared = len(tensor.dims) > 1 or (tensor.dims and tensor.data_type not in (6, 7))
        if not is_shared:
            own.append(tensor)
            continue
        key = (tensor.data_type, tuple(tensor.dims), tensor.raw_data)
        weight = weights.setdefault(key, onnx.TensorProto())
        if not weight.name:
            weight.CopyFrom(tensor)
            weight.name = f"{tensor.name}_merged_{len(weights)}"
        renamed[tensor.name] = weight.name
    for node in graph.node:
        node.input[:] = [renamed.get(value, value) for value in node.input]
    return helper.make_graph(list(graph.node), name, [], outputs, own)
