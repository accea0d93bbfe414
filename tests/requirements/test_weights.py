"""`weights`: no weight is stored twice, also not in external data."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from harness import CellReport, Outcome, Record, check

BERT = ("bert", "text-classification")
Edit = Callable[[onnx.ModelProto], None]
CheckEdited = Callable[..., CellReport]
Failed = Callable[[CellReport], list[str]]


def test_a_correct_export_passes(check_correct: Callable[[str], Record]) -> None:
    record = check_correct("weights")
    assert record.outcome is Outcome.PASSED, record.message


def test_a_correct_export_of_a_head_passes(
    exported: Callable[..., Path], subject: Callable[..., Any]
) -> None:
    assert check(
        exported(*BERT), subject(*BERT).model, BERT[1], opset=18, requirements=["weights"]
    ).conforms


def test_excess_bytes_are_reported_and_not_judged(
    exported: Callable[..., Path], subject: Callable[..., Any]
) -> None:
    """The embedding of a tied head is stored a second time, transposed."""
    model = subject("bert", "fill-mask").model
    report = check(exported("bert", "fill-mask"), model, "fill-mask", requirements=["weights"])
    embedding = model.get_input_embeddings().weight
    (record,) = report.records
    assert record.outcome is Outcome.PASSED
    got, more, own = (int(word) for word in record.message.split() if word.isdigit())
    assert got == more + own
    assert embedding.numel() * 4 <= more < embedding.numel() * 4 + 1024


def matrix_of(model: onnx.ModelProto) -> onnx.TensorProto:
    """Return a weight that one node uses: the first dense layer's matrix."""
    return next(t for t in model.graph.initializer if list(t.dims) == [20, 36])


def renamed(tensor: onnx.TensorProto, name: str = "again") -> onnx.TensorProto:
    again = copy.deepcopy(tensor)
    again.name = name
    return again


def use(model: onnx.ModelProto, tensor: onnx.TensorProto, other: str = "again") -> None:
    """Let the node use (tensor + other) / 2, which equals the tensor if both are equal."""
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "half"))
    node = next(n for n in model.graph.node if tensor.name in n.input)
    index = list(model.graph.node).index(node)
    node.input[list(node.input).index(tensor.name)] = "mean"
    for new in (
        helper.make_node("Mul", ["sum", "half"], ["mean"]),
        helper.make_node("Add", [tensor.name, other], ["sum"]),
    ):
        model.graph.node.insert(index, new)


def as_initializer(model: onnx.ModelProto) -> None:
    tensor = matrix_of(model)
    model.graph.initializer.append(renamed(tensor))
    use(model, tensor)


def as_typed_data(model: onnx.ModelProto) -> None:
    """Store the same values as `float_data`, which has other bytes in the file."""
    tensor = matrix_of(model)
    values = numpy_helper.to_array(tensor).ravel().tolist()
    again = helper.make_tensor("again", TensorProto.FLOAT, tensor.dims, values)
    model.graph.initializer.append(again)
    use(model, tensor)


def as_constant(model: onnx.ModelProto) -> None:
    tensor = matrix_of(model)
    use(model, tensor)
    constant = helper.make_node("Constant", [], ["again"], value=renamed(tensor))
    model.graph.node.insert(0, constant)


def in_a_subgraph(model: onnx.ModelProto) -> None:
    tensor = matrix_of(model)
    use(model, tensor)
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, list(tensor.dims))
    identity = helper.make_node("Identity", ["weight"], ["result"])
    graph = helper.make_graph([identity], "branch", [], [result], [renamed(tensor, "weight")])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "condition"))
    condition = helper.make_node(
        "If", ["condition"], ["again"], then_branch=graph, else_branch=graph
    )
    model.graph.node.insert(0, condition)


def in_a_function(model: onnx.ModelProto) -> None:
    tensor = matrix_of(model)
    use(model, tensor)
    constant = helper.make_node("Constant", [], ["result"], value=tensor)
    imports = [helper.make_opsetid("", 18)]
    function = helper.make_function("local", "Weight", [], ["result"], [constant], imports)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.graph.node.insert(0, helper.make_node("Weight", [], ["again"], domain="local"))


DUPLICATES: dict[Edit, int] = {
    as_initializer: 2,
    as_typed_data: 2,
    as_constant: 2,
    in_a_subgraph: 3,
    in_a_function: 2,
}


@pytest.mark.gate_cases(2)
@pytest.mark.parametrize("edit", DUPLICATES, ids=lambda edit: edit.__name__)
def test_a_weight_that_is_stored_again_is_refused(
    edit: Edit, check_edited: CheckEdited, failed: Failed
) -> None:
    report = check_edited(edit)
    record = report.record("weights")
    assert failed(report) == ["weights"], record.message
    assert f"got {DUPLICATES[edit]} that are equal byte for byte, 2880 bytes" in record.message
    assert "(FLOAT, 20 x 36), expected 1 [" in record.message


def transposed(model: onnx.ModelProto) -> None:
    array = numpy_helper.to_array(matrix_of(model)).T
    model.graph.initializer.append(numpy_helper.from_array(array.copy(), "other"))


def reshaped(model: onnx.ModelProto) -> None:
    other = renamed(matrix_of(model))
    other.dims.insert(0, 1)
    model.graph.initializer.append(other)


def of_another_type(model: onnx.ModelProto) -> None:
    other = renamed(matrix_of(model))
    other.data_type = TensorProto.INT32
    model.graph.initializer.append(other)


def small(model: onnx.ModelProto) -> None:
    array = np.ones(256, np.float32)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name in "ab")


@pytest.mark.parametrize("edit", [transposed, reshaped, of_another_type, small])
def test_tensors_that_cannot_replace_each_other_are_no_duplicates(
    edit: Edit, check_edited: CheckEdited
) -> None:
    assert check_edited(edit, requirements=["checker", "weights"]).conforms


def masks(model: onnx.ModelProto) -> None:
    """Store two equal matrices of ones; the model has no such matrix."""
    array = np.ones((32, 32), np.float32)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name in "ab")


def sparse(model: onnx.ModelProto) -> None:
    """Store one matrix twice, and a third with zeros in the same places."""
    for name, value in (("first", 1.0), ("second", 1.0), ("third", 2.0)):
        values = helper.make_tensor(name, TensorProto.FLOAT, [200], [value] * 200)
        indices = helper.make_tensor("at", TensorProto.INT64, [200], list(range(200)))
        model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [400]))


def listed(model: onnx.ModelProto) -> None:
    for name in "ab":
        constant = helper.make_node("Constant", [], [name], value_floats=[0.5] * 300)
        model.graph.node.insert(0, constant)


@pytest.mark.parametrize(
    ("edit", "named"), [(masks, "a, b"), (sparse, "first, second"), (listed, "a, b")]
)
def test_every_kind_of_stored_tensor_counts(
    edit: Edit, named: str, check_edited: CheckEdited
) -> None:
    (record,) = check_edited(edit, requirements=["weights"]).records
    assert record.outcome is Outcome.FAILED
    assert record.message.startswith(f"weights {named}: got 2 that are equal"), record.message


def twice(matrix: torch.Tensor, other: torch.Tensor) -> None:
    """Give both matrices the same values, which are not in the file yet."""
    matrix.mul_(2)
    other.copy_(matrix)


def zeros(matrix: torch.Tensor, other: torch.Tensor) -> None:
    matrix.zero_()
    other.zero_()


@pytest.mark.parametrize("draw", [twice, zeros])
@pytest.mark.parametrize(("stored", "outcome"), [(2, Outcome.PASSED), (3, Outcome.FAILED)])
def test_as_many_equal_weights_are_allowed_as_the_model_has(
    draw: Callable[..., None],
    stored: int,
    outcome: Outcome,
    subject: Callable[..., Any],
    check_edited: CheckEdited,
) -> None:
    model = copy.deepcopy(subject(*BERT).model)
    first, second = (layer.intermediate.dense.weight for layer in model.bert.encoder.layer)
    with torch.no_grad():
        draw(first, second)
    array = first.detach().numpy().T.copy()

    def store(proto: onnx.ModelProto) -> None:
        weights = (numpy_helper.from_array(array, f"weight_{n}") for n in range(stored))
        proto.graph.initializer.extend(weights)

    (record,) = check_edited(store, model=model, requirements=["weights"]).records
    assert record.outcome is outcome
    assert outcome is Outcome.PASSED or "expected 2 [" in record.message


def test_tied_weights_of_the_model_count_once(
    subject: Callable[..., Any], check_edited: CheckEdited
) -> None:
    model = copy.deepcopy(subject(*BERT).model)
    first, second = (layer.intermediate.dense for layer in model.bert.encoder.layer)
    second.weight = first.weight
    with torch.no_grad():
        first.weight.mul_(2)
    array = first.weight.detach().numpy().T.copy()

    def store(proto: onnx.ModelProto) -> None:
        proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name in "ab")

    (record,) = check_edited(store, model=model, requirements=["weights"]).records
    assert record.outcome is Outcome.FAILED
    assert "weights a, b: got 2 that are equal" in record.message


def test_constant_weights_may_be_joined(
    subject: Callable[..., Any], check_edited: CheckEdited
) -> None:
    """Three projections of zeros become one matrix of zeros for each layer."""
    model = copy.deepcopy(subject(*BERT).model)
    with torch.no_grad():
        for layer in model.bert.encoder.layer:
            for projection in ("query", "key", "value"):
                getattr(layer.attention.self, projection).weight.zero_()

    def store(proto: onnx.ModelProto) -> None:
        array = np.zeros((20, 60), np.float32)
        proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name in "ab")

    assert check_edited(store, model=model, requirements=["weights"]).conforms


def test_data_that_does_not_fit_its_tensor_gets_a_verdict(check_edited: CheckEdited) -> None:
    def cut(model: onnx.ModelProto) -> None:
        other = renamed(matrix_of(model))
        other.raw_data = other.raw_data[:-4]
        model.graph.initializer.append(other)

    (record,) = check_edited(cut, requirements=["weights"]).records
    assert record.outcome is Outcome.FAILED
    assert record.message.startswith("weights again: got 2876 bytes, expected 2880 [")


def test_a_duplicate_in_external_data_is_refused(
    with_data: Path, subject: Callable[..., Any], failed: Failed
) -> None:
    proto = onnx.load(with_data)
    as_initializer(proto)
    onnx.save(
        proto,
        with_data.with_name("again.onnx"),
        save_as_external_data=True,
        location="again.data",
        size_threshold=64,
    )
    path, model = with_data.with_name("again.onnx"), subject(*BERT).model
    report = check(path, model, BERT[1], opset=18, profile="smoke")
    assert failed(report) == ["weights"]
    assert "got 2 that are equal byte for byte" in report.record("weights").message
