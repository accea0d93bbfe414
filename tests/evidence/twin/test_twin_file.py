"""Twins of float32 files, of files with external data, and of files with unknown operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnxruntime.quantization import quantize_dynamic

from harness.errors import UsageError
from harness.evidence.isomorphism import graph_differences
from harness.evidence.tensors import UnreadableTensorError
from harness.evidence.twin import make_twin, twin_file
from tests.evidence.twin.small_models import (
    TOLERANCE,
    expected,
    language_model,
    largest_difference,
    run,
    save,
    weights,
)


def test_a_float32_file_is_its_own_twin(tmp_path: Path) -> None:
    path = language_model(tmp_path / "model.onnx")
    twin = make_twin(path, tmp_path / "twin.onnx")
    written, original = onnx.load(twin.path), onnx.load(path)
    assert list(graph_differences(written, original)) == []
    assert [value.name for value in written.graph.input] == ["ids"]
    assert (twin.rewritten, twin.unknown, twin.notes) == ({}, (), ())
    for weight in twin.weights:
        assert weight.form == "float32"
        assert np.array_equal(weight.values, weights()[weight.name])
        assert not weight.step.any()


def test_external_data_is_read_and_written_beside_the_twin(tmp_path: Path) -> None:
    original = language_model(tmp_path / "original.onnx")
    quantize_dynamic(original, tmp_path / "quantised.onnx")
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    onnx.save(
        onnx.load(tmp_path / "quantised.onnx"),
        source / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=64,
    )
    twin = make_twin(source / "model.onnx", target / "twin.onnx")
    assert sorted(one.name for one in target.iterdir()) == ["twin.onnx", "twin.onnx.data"]
    (source / "weights.bin").unlink()
    again = make_twin(tmp_path / "quantised.onnx", tmp_path / "again.onnx")
    stored = {weight.name: weight.values for weight in again.weights}
    assert largest_difference(run(twin.path)["down"], expected(stored)) <= TOLERANCE


def test_a_large_twin_has_external_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = language_model(tmp_path / "model.onnx")
    monkeypatch.setattr(twin_file, "LARGEST_FILE", 1000)
    twin = make_twin(path, tmp_path / "twin.onnx")
    assert (tmp_path / "twin.onnx.data").stat().st_size > 1000
    assert largest_difference(run(twin.path)["down"], expected(weights())) <= TOLERANCE


def test_external_data_outside_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(4096))
    path = language_model(folder / "model.onnx")
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=64
    )
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../secret.bin" if entry.key == "location" else entry.value
    onnx.save(model, path)
    with pytest.raises(UnreadableTensorError, match="leaves the model's folder"):
        make_twin(path, tmp_path / "twin.onnx")
    assert not (tmp_path / "twin.onnx").exists()


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("no model")
    with pytest.raises(UsageError, match="not an ONNX model"):
        make_twin(tmp_path / "model.onnx", tmp_path / "twin.onnx")


def test_an_operator_without_a_float_rewrite_is_named_and_stays(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Secret", ["x"], ["hidden"], "odd", domain="com.example"),
        helper.make_node("Inverse", ["hidden"], ["y"], "inverse", domain="com.microsoft"),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2]) for name in "xy")
    path = save(tmp_path / "model.onnx", nodes, [x], [y], {})
    twin = make_twin(path, tmp_path / "twin.onnx")
    assert twin.unknown == ("com.example::Secret (odd)", "com.microsoft::Inverse (inverse)")
    assert list(graph_differences(onnx.load(twin.path), onnx.load(path))) == []


def test_nodes_in_any_order_are_rewritten(tmp_path: Path) -> None:
    """ONNX Runtime runs such files, which some converters write."""
    original = language_model(tmp_path / "original.onnx")
    path = tmp_path / "quantised.onnx"
    quantize_dynamic(original, path)
    model = onnx.load(path)
    nodes = list(reversed(model.graph.node))
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    twin = make_twin(path, tmp_path / "twin.onnx")
    assert twin.unknown == ()
    assert twin.notes == ("the nodes of the file are in no topological order; the twin's are",)
    stored = {weight.name: weight.values for weight in twin.weights}
    assert largest_difference(run(twin.path)["down"], expected(stored)) <= TOLERANCE


def test_functions_with_quantised_nodes_are_inlined(tmp_path: Path) -> None:
    body = [
        helper.make_node("DequantizeLinear", ["codes", "scale"], ["floats"], "read"),
        helper.make_node("MatMul", ["x", "floats"], ["y"], "matmul"),
    ]
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("local", "Layer", ["x", "codes", "scale"], ["y"], body, opsets)
    codes = np.arange(-4, 5, dtype=np.int8).reshape(3, 3)
    content = {"codes": codes, "scale": np.array(0.25, np.float32)}
    node = helper.make_node("Layer", ["x", "codes", "scale"], ["y"], "layer", domain="local")
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy")
    model = onnx.load(save(tmp_path / "model.onnx", [node], [x], [y], content))
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    onnx.save(model, tmp_path / "model.onnx")
    twin = make_twin(tmp_path / "model.onnx", tmp_path / "twin.onnx")
    assert [node.op_type for node in onnx.load(twin.path).graph.node] == ["MatMul"]
    feed = {"x": np.eye(3, dtype=np.float32)}
    assert np.array_equal(run(twin.path, feed)["y"], codes * np.float32(0.25))
