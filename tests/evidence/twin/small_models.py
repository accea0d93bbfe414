"""Small float models, what a runtime and numpy make of them, and their dequantised weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from harness.evidence.session import open_session, run_session
from harness.evidence.twin import StoredWeight, Twin

Arrays = Mapping[str, Any]

TOLERANCE = 1e-5
FLOAT_ONES = {"Gather", "MatMul", "Add", "Relu", "Softmax", "Cast", "Identity"}
"""Operators of `language_model`, and what twins may have besides."""
IDS = np.array([[3, 1, 4, 1], [5, 9, 2, 6]], np.int64)
ROWS, INNER, OUTER = 11, 32, 20


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Return the weights of `language_model`, with columns of very different sizes."""
    rng = np.random.default_rng(seed)
    sizes = np.geomspace(0.05, 2, OUTER).astype(np.float32)
    return {
        "embed.weight": rng.normal(size=(ROWS, INNER)).astype(np.float32),
        "up.weight": rng.normal(size=(INNER, OUTER)).astype(np.float32) * sizes,
        "up.bias": rng.normal(size=OUTER).astype(np.float32),
        "down.weight": rng.normal(size=(OUTER, INNER)).astype(np.float32) / 4,
    }


def language_model(path: Path, *, opset: int = 17, content: Arrays | None = None) -> Path:
    """Write a model: an embedding, two MatMul with a bias and a Relu between, and a Softmax."""
    nodes = [
        helper.make_node("Gather", ["embed.weight", "ids"], ["hidden"], "embed"),
        helper.make_node("MatMul", ["hidden", "up.weight"], ["up"], "up"),
        helper.make_node("Add", ["up", "up.bias"], ["biased"], "bias"),
        helper.make_node("Relu", ["biased"], ["active"], "relu"),
        helper.make_node("MatMul", ["active", "down.weight"], ["down"], "down"),
        helper.make_node("Softmax", ["down"], ["probabilities"], "softmax", axis=-1),
    ]
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", "length", INNER])
        for name in ("down", "probabilities")
    ]
    return save(path, nodes, inputs, outputs, content or weights(), opset=opset)


def expected(content: Arrays, ids: np.ndarray = IDS) -> np.ndarray:
    """Return what numpy computes for the output `down` of `language_model`."""
    up = content["embed.weight"][ids] @ content["up.weight"] + content["up.bias"]
    return np.asarray(np.maximum(up, 0) @ content["down.weight"])


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    content: Arrays,
    *,
    opset: int = 17,
) -> Path:
    """Write a checked model of the domains ai.onnx and com.microsoft."""
    tensors = [numpy_helper.from_array(array, name) for name, array in content.items()]
    graph = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), tensors)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.save(model, path)
    return path


def run(path: Path, feed: Mapping[str, Any] | None = None, *, optimised: bool = False) -> Arrays:
    """Return the outputs of a file in ONNX Runtime."""
    session = open_session(path, optimised=optimised)
    return run_session(session, {"ids": IDS} if feed is None else feed)


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return max |one - other| of arrays of one shape."""
    assert one.shape == other.shape
    return float(np.max(np.abs(one.astype(np.float64) - other.astype(np.float64))))


def check_twin(twin: Twin, quantised: Path, *, loss: float = 0.01) -> dict[str, StoredWeight]:
    """Assert that a twin of `language_model` is right, and return its weights by name.

    It computes what numpy computes on the stored weights, which are within half a step of the
    original ones, and differs from the original by more than `loss`.
    """
    assert not twin.unknown
    found = {weight.name: weight for weight in twin.weights}
    assert found.keys() == weights().keys()
    got = run(twin.path)["down"]
    assert got.dtype == np.float32
    stored = {name: weight.values for name, weight in found.items()}
    assert largest_difference(got, expected(stored)) <= TOLERANCE
    assert largest_difference(got, expected(weights())) > loss
    for name, weight in found.items():
        steps = steps_away(weight, weights()[name])
        assert steps <= 0.501, f"{name} is {steps} steps from its original"
    operators = {node.op_type for node in onnx.load(twin.path).graph.node}
    assert not operators & {node.op_type for node in onnx.load(quantised).graph.node} - FLOAT_ONES
    return found


def steps_away(weight: StoredWeight, original: np.ndarray) -> float:
    """Return the largest distance of a stored weight from the original one, in steps."""
    decoded = weight.decode()
    assert decoded.values.shape == original.shape
    distance = np.abs(decoded.values - np.clip(original, decoded.low, decoded.high))
    return float(np.max(distance / np.maximum(decoded.step, 1e-12)))


def changed(path: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    """Write a copy of a file with one initializer changed."""
    model = onnx.load(path)
    (tensor,) = (one for one in model.graph.initializer if one.name == name)
    content = numpy_helper.to_array(tensor).copy()
    tensor.CopyFrom(numpy_helper.from_array(change(content).astype(content.dtype), name))
    copy = path.with_name(f"changed-{path.name}")
    onnx.save(model, copy)
    return copy


def with_weights(original: Path, found: Iterable[StoredWeight]) -> Path:
    """Write a copy of a float file with the weights that a quantised file stores."""
    model, values = onnx.load(original), {weight.name: weight.values for weight in found}
    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name], tensor.name))
    copy = original.with_name(f"stored-{original.name}")
    onnx.save(model, copy)
    return copy
