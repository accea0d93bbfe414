"""`weights`: nothing is stored twice, and external data is there and nowhere else."""

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
from harness.evidence import sides

BERT = ("bert", "text-classification")
CORRECT = [
    BERT,
    ("bert", "fill-mask"),
    ("gpt2", "text-generation-with-past"),
    ("t5", "text2text-generation-with-past"),
]
Edit = Callable[[onnx.ModelProto], None]
CheckEdited = Callable[..., CellReport]
Failed = Callable[[CellReport], list[str]]


@pytest.mark.parametrize(("architecture", "task"), CORRECT)
def test_a_correct_export_passes(
    architecture: str, task: str, exported: Callable[..., Path], subject: Callable[..., Any]
) -> None:
    folder = exported(architecture, task).parent
    model = subject(architecture, task).model
    assert check(folder, model, task, opset=18, requirements=["weights"]).conforms


def test_bytes_beyond_those_of_the_parameters_are_reported_and_not_judged(
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
    """A weight that one node uses: the first dense layer's."""
    return next(t for t in model.graph.initializer if list(t.dims) == [20, 36])


def renamed(tensor: onnx.TensorProto, name: str = "again") -> onnx.TensorProto:
    again = copy.deepcopy(tensor)
    again.name = name
    return again


def use(model: onnx.ModelProto, tensor: onnx.TensorProto, other: str = "again") -> None:
    """Let the node take (tensor + other) / 2, which is the same where both are."""
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
    """The same values in `float_data`, which other bytes of the file hold."""
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
def test_what_could_not_be_used_for_the_other_is_no_duplicate(
    edit: Edit, check_edited: CheckEdited
) -> None:
    assert check_edited(edit, requirements=["checker", "weights"]).conforms


def masks(model: onnx.ModelProto) -> None:
    """Nothing in the model holds so many ones."""
    array = np.ones((32, 32), np.float32)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name in "ab")


def sparse(model: onnx.ModelProto) -> None:
    """One matrix twice, and a third that has zeros in the same places."""
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
def test_whatever_holds_bytes_counts(edit: Edit, named: str, check_edited: CheckEdited) -> None:
    (record,) = check_edited(edit, requirements=["weights"]).records
    assert record.outcome is Outcome.FAILED
    assert record.message.startswith(f"weights {named}: got 2 that are equal"), record.message


def twice(matrix: torch.Tensor, other: torch.Tensor) -> None:
    """Values that the file does not hold yet."""
    matrix.mul_(2)
    other.copy_(matrix)


def zeros(matrix: torch.Tensor, other: torch.Tensor) -> None:
    matrix.zero_()
    other.zero_()


@pytest.mark.parametrize("draw", [twice, zeros])
@pytest.mark.parametrize(("stored", "outcome"), [(2, Outcome.PASSED), (3, Outcome.FAILED)])
def test_as_many_are_honest_as_the_model_has_itself(
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
    """Three projections of zeros in one matrix of zeros, once for each layer."""
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


@pytest.fixture
def with_data(exported: Callable[..., Path], tmp_path: Path) -> Path:
    """A correct file whose weights stand in `model.data` beside it, in a folder of its own."""
    path = tmp_path / "inside" / "model.onnx"
    path.parent.mkdir()
    onnx.save(
        onnx.load(exported(*BERT)),
        path,
        save_as_external_data=True,
        location="model.data",
        size_threshold=64,
    )
    return path


def point_to(path: Path, **entries: str | None) -> None:
    """Rewrite what all tensors say of their external data; None removes an entry."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            kept = {entry.key: entry.value for entry in tensor.external_data} | entries
            del tensor.external_data[:]
            for key, value in kept.items():
                if value is not None:
                    tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def moved(path: Path, location: str) -> None:
    """Move the data to where `location` leads, and say so: whoever follows it finds all of it."""
    target = path.parent / location
    target.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "model.data").rename(target)
    point_to(path, location=location)


def absolute(path: Path) -> None:
    moved(path, str(path.parents[1] / "model.data"))


def above(path: Path) -> None:
    moved(path, "../model.data")


def above_by_a_detour(path: Path) -> None:
    (path.parent / "sub").mkdir()
    moved(path, "sub/../../model.data")


def linked_out(path: Path) -> None:
    above(path)
    (path.parent / "model.data").symlink_to("../model.data")
    point_to(path, location="model.data")


def linked_folder(path: Path) -> None:
    above(path)
    (path.parent / "sub").symlink_to("..")
    point_to(path, location="sub/model.data")


def of_windows(path: Path) -> None:
    point_to(path, location="..\\model.data")


def missing(path: Path) -> None:
    (path.parent / "model.data").unlink()


def a_folder(path: Path) -> None:
    missing(path)
    (path.parent / "model.data").mkdir()


def truncated(path: Path) -> None:
    data = path.parent / "model.data"
    data.write_bytes(data.read_bytes()[:-4])


def unnamed(path: Path) -> None:
    point_to(path, location=None)


def with_a_nul(path: Path) -> None:
    point_to(path, location="model\0.data")


def before_the_start(path: Path) -> None:
    point_to(path, offset="-64")


def of_another_length(path: Path) -> None:
    point_to(path, length="8")


DAMAGES: dict[Callable[[Path], None], str] = {
    absolute: "got the absolute path '/",
    above: "got '../model.data', which leaves the model's folder, expected a file inside it",
    above_by_a_detour: "got 'sub/../../model.data', which leaves the model's folder",
    linked_out: "got 'model.data', a link out of the model's folder",
    linked_folder: "got 'sub/model.data', a link out of the model's folder",
    of_windows: "which leaves the model's folder",
    missing: "got no file 'model.data', expected it beside the model",
    a_folder: "got no file 'model.data', expected it beside the model",
    truncated: "it is truncated",
    unnamed: "got no location, expected a file beside the model",
    with_a_nul: "null byte), expected a file",
    before_the_start: "got offset '-64', expected a number of bytes",
    of_another_length: "got length 8, expected",
}


def judged(path: Path, subject: Callable[..., Any], **options: Any) -> CellReport:
    return check(path, subject(*BERT).model, BERT[1], opset=18, profile="smoke", **options)


def said_of_weights(report: CellReport) -> Record:
    record = report.record("weights")
    assert record.outcome is Outcome.FAILED
    assert record.message.startswith("external data of "), record.message
    return record


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_external_data_that_is_not_where_it_may_be_is_refused(
    damage: Callable[[Path], None], with_data: Path, subject: Callable[..., Any], failed: Failed
) -> None:
    damage(with_data)
    report = judged(with_data, subject)
    assert DAMAGES[damage] in said_of_weights(report).message
    assert set(failed(report)[:2]) <= {"checker", "dynamic-axes", "weights"}
    after = [record.requirement for record in report.records].index("weights") + 1
    assert {record.outcome for record in report.records[after:]} == {Outcome.SKIPPED}
    assert Outcome.ERRORED not in {record.outcome for record in report.records}


@pytest.mark.parametrize("damage", [absolute, above, linked_out, linked_folder])
def test_what_lies_outside_is_never_read(
    damage: Callable[[Path], None],
    with_data: Path,
    subject: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def open_session(*_: Any, **__: Any) -> Any:
        raise AssertionError("the runtime was given the file")

    monkeypatch.setattr(sides, "open_session", open_session)
    (with_data.parents[1] / "model.data").unlink(missing_ok=True)
    damage(with_data)
    (with_data.parents[1] / "model.data").chmod(0)
    for requirement in ("weights", "agreement"):
        (record,) = judged(with_data, subject, requirements=[requirement]).records
        assert record.outcome is Outcome.FAILED, record
        assert "external data of " in record.message


def in_a_subfolder(path: Path) -> None:
    moved(path, "sub/model.data")


def in_the_folder_after_all(path: Path) -> None:
    (path.parent / "sub").mkdir()
    point_to(path, location="sub/../model.data")


def without_lengths(path: Path) -> None:
    point_to(path, length=None)


@pytest.mark.parametrize("edit", [in_a_subfolder, in_the_folder_after_all, without_lengths])
def test_external_data_anywhere_in_the_folder_conforms(
    edit: Callable[[Path], None], with_data: Path, subject: Callable[..., Any], failed: Failed
) -> None:
    edit(with_data)
    report = judged(with_data, subject)
    assert report.conforms, failed(report)


def test_a_duplicate_in_external_data_is_refused(
    with_data: Path, subject: Callable[..., Any], failed: Failed
) -> None:
    model = onnx.load(with_data)
    as_initializer(model)
    onnx.save(
        model,
        with_data.with_name("again.onnx"),
        save_as_external_data=True,
        location="again.data",
        size_threshold=64,
    )
    report = judged(with_data.with_name("again.onnx"), subject)
    assert failed(report) == ["weights"]
    assert "got 2 that are equal byte for byte" in report.record("weights").message
