"""Tiny files, quantised by onnxruntime's own tools, and their feeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]
Feed = dict[str, Array]

WIDTH, HIDDEN, ROWS = 32, 24, 3


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def floats(*shape: int, seed: int = 0) -> Array:
    return rng(seed).normal(size=shape).astype(np.float32)


def build(
    nodes: list[onnx.NodeProto],
    stored: dict[str, Array],
    *,
    inputs: dict[str, tuple[int, list[Any]]],
    outputs: list[str],
    opset: int = 21,
) -> onnx.ModelProto:
    """Return a model; `inputs` is name -> element type and dims. Types of outputs are inferred."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, *info) for name, info in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    domains = {"": opset, "com.microsoft": 1}
    opsets = [helper.make_opsetid(*entry) for entry in domains.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save_model(model, path)
    return path


def perceptron(opset: int = 21) -> onnx.ModelProto:
    """Return two layers with a normalisation between them, of inputs (batch, 4, WIDTH)."""
    nodes = [
        helper.make_node("MatMul", ["x", "up"], ["wide"], name="up_proj"),
        helper.make_node("Add", ["wide", "bias"], ["moved"], name="add"),
        helper.make_node("LayerNormalization", ["moved", "gain"], ["normal"], name="norm"),
        helper.make_node("Sigmoid", ["normal"], ["gate"], name="sigmoid"),
        helper.make_node("Mul", ["normal", "gate"], ["gated"], name="mul"),
        helper.make_node("MatMul", ["gated", "down"], ["small"], name="down_proj"),
        helper.make_node("Softmax", ["small"], ["y"], name="softmax"),
    ]
    stored = {
        "up": floats(WIDTH, HIDDEN, seed=1),
        "bias": floats(HIDDEN, seed=2),
        "gain": floats(HIDDEN, seed=3),
        "down": floats(HIDDEN, 8, seed=4),
    }
    model = build(
        nodes,
        stored,
        inputs={"x": (TensorProto.FLOAT, ["batch_size", 4, WIDTH])},
        outputs=["y"],
        opset=opset,
    )
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch_size", 4, 8])
    )
    return model


def perceptron_feed(rows: int = ROWS) -> Feed:
    """Return inputs whose rows have ranges of different sizes."""
    sizes = np.geomspace(1, 10, rows, dtype=np.float32).reshape(-1, 1, 1)
    return {"x": floats(rows, 4, WIDTH, seed=5) * sizes}


def convolutions() -> onnx.ModelProto:
    """Return a convolution, a sum and a Gemm, of inputs (batch, 3, 8, 8)."""
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "shift"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "second"], ["s"], name="conv2"),
        helper.make_node("Sigmoid", ["s"], ["g"], name="sigmoid"),
        helper.make_node("Mul", ["s", "g"], ["m"], name="mul"),
        helper.make_node("Add", ["m", "s"], ["a"], name="add"),
        helper.make_node("Flatten", ["a"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "head", "b"], ["y"], name="gemm", transB=1),
    ]
    stored = {
        "kernel": floats(4, 3, 3, 3, seed=1),
        "shift": floats(4, seed=2),
        "second": floats(2, 4, 3, 3, seed=3),
        "head": floats(5, 72, seed=4),
        "b": floats(5, seed=5),
    }
    model = build(
        nodes, stored, inputs={"x": (TensorProto.FLOAT, ["batch_size", 3, 8, 8])}, outputs=["y"]
    )
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch_size", 5])
    )
    return model


def embedding() -> onnx.ModelProto:
    """Return a Gather of embeddings and a layer."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], name="embed"),
        helper.make_node("MatMul", ["e", "w"], ["y"], name="head"),
    ]
    stored = {"table": floats(40, WIDTH, seed=6), "w": floats(WIDTH, 8, seed=7)}
    model = build(
        nodes, stored, inputs={"ids": (TensorProto.INT64, ["batch_size", "s"])}, outputs=["y"]
    )
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch_size", "s", 8])
    )
    return model


def embedding_feed(rows: int = 2) -> Feed:
    return {"ids": rng(1).integers(0, 40, (rows, 5))}
