"""Edits of a correct file: each is refused by the requirement that is there for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness import CellReport, Outcome, check

TASK = "text-classification"
Edit = Callable[[onnx.ModelProto], None]


def _conforms(exported: Any, subject: Any, tmp_path: Path, edit: Edit) -> CellReport:
    model = onnx.load(exported("bert", TASK))
    edit(model)
    path = tmp_path / "edited.onnx"
    onnx.save(model, path)
    return check(path, subject("bert", TASK).model, TASK, opset=18)


def _refused_by(report: CellReport) -> list[str]:
    """Requirements that do not pass, those that only follow from another left out."""
    return [
        record.requirement
        for record in report.records
        if record.outcome not in {Outcome.PASSED, Outcome.SKIPPED}
    ]


def _label(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 19


def _ir_version(model: onnx.ModelProto) -> None:
    model.ir_version = 99


def _private_domain(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    gelu = helper.make_node("Gelu", ["logits_"], ["unused"], domain="com.microsoft")
    _rename_output(model, "logits", "logits_")
    model.graph.node.append(gelu)
    model.graph.node.append(helper.make_node("Identity", ["logits_"], ["logits"]))


def _domain_not_imported(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "nowhere"


def _invalid_node(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperator"


def _contradicting_shape(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5


def _lost_initializer(model: onnx.ModelProto) -> None:
    del model.graph.initializer[0]


def _renamed_output(model: onnx.ModelProto) -> None:
    _rename_output(model, "logits", "scores")
    model.graph.output[0].name = "scores"


def _renamed_input(model: onnx.ModelProto) -> None:
    model.graph.input[1].name = "mask"
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == "attention_mask":
                node.input[index] = "mask"


def _undeclared_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("extra", TensorProto.FLOAT, [1]))


def _undeclared_output(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Identity", ["logits"], ["copy"]))
    info = helper.make_tensor_value_info("copy", TensorProto.FLOAT, ["batch_size", 6])
    model.graph.output.append(info)


def _int32_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == "input_ids":
                node.input[index] = "input_ids_64"
    cast = helper.make_node("Cast", ["input_ids"], ["input_ids_64"], to=TensorProto.INT64)
    model.graph.node.insert(0, cast)


def _float64_output(model: onnx.ModelProto) -> None:
    _rename_output(model, "logits", "logits_")
    cast = helper.make_node("Cast", ["logits_"], ["logits"], to=TensorProto.DOUBLE)
    model.graph.node.append(cast)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def _frozen_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3


def _numeric_symbol(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "3"


def _undeclared_symbol(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "num_labels"


def _one_symbol_for_two_axes(model: onnx.ModelProto) -> None:
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[1].dim_param = "batch_size"


def _offset(model: onnx.ModelProto) -> None:
    _append(model, "Add", np.array(1e-3, dtype=np.float32))


def _nan(model: onnx.ModelProto) -> None:
    _append(model, "Add", np.array([np.nan, 0, 0, 0, 0, 0], dtype=np.float32))


def _zeros(model: onnx.ModelProto) -> None:
    _append(model, "Mul", np.array(0, dtype=np.float32))


def _ignored_mask(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == "attention_mask":
                node.input[index] = "all_ones"
    model.graph.node.insert(0, helper.make_node("Mul", ["input_ids", "zero"], ["zeros"]))
    model.graph.node.insert(1, helper.make_node("Add", ["zeros", "one"], ["all_ones"]))
    for value, name in ((0, "zero"), (1, "one")):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))


def _baked_batch(model: onnx.ModelProto) -> None:
    """Declared dynamic, and right at the batch of the export alone."""
    _rename_output(model, "logits", "logits_")
    model.graph.node.append(helper.make_node("Reshape", ["logits_", "to"], ["logits"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array([3, 6]), "to"))


def _collapsed_output(model: onnx.ModelProto) -> None:
    """Every row is the first one, which broadcasting would hide."""
    _rename_output(model, "logits", "logits_")
    slice_ = helper.make_node("Slice", ["logits_", "from", "until", "axis"], ["logits"])
    model.graph.node.append(slice_)
    for name, value in (("from", 0), ("until", 1), ("axis", 0)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([value]), name))


def _rename_output(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == old:
                node.output[index] = new


def _append(model: onnx.ModelProto, operator: str, value: np.ndarray[Any, Any]) -> None:
    _rename_output(model, "logits", "logits_")
    model.graph.initializer.append(numpy_helper.from_array(value, "operand"))
    model.graph.node.append(helper.make_node(operator, ["logits_", "operand"], ["logits"]))


FAULTS: dict[Edit, str] = {
    _label: "opset",
    _ir_version: "opset",
    _private_domain: "opset",
    _domain_not_imported: "opset",
    _invalid_node: "checker",
    _contradicting_shape: "checker",
    _lost_initializer: "checker",
    _renamed_output: "interface",
    _renamed_input: "interface",
    _undeclared_input: "interface",
    _undeclared_output: "interface",
    _int32_input: "interface",
    _float64_output: "interface",
    _frozen_batch: "dynamic-axes",
    _numeric_symbol: "dynamic-axes",
    _undeclared_symbol: "dynamic-axes",
    _one_symbol_for_two_axes: "dynamic-axes",
    _collapsed_output: "dynamic-axes",
    _offset: "agreement",
    _nan: "agreement",
    _zeros: "agreement",
    _ignored_mask: "agreement",
    _baked_batch: "agreement",
}


@pytest.mark.parametrize("edit", FAULTS, ids=lambda edit: edit.__name__.strip("_"))
def test_a_fault_is_refused_by_its_requirement(
    edit: Edit, exported: Any, subject: Any, tmp_path: Path
) -> None:
    report = _conforms(exported, subject, tmp_path, edit)
    assert not report.conforms
    assert FAULTS[edit] in _refused_by(report), [(r.requirement, r.message) for r in report.records]


def _identity(model: onnx.ModelProto) -> None:
    _rename_output(model, "logits", "logits_")
    model.graph.node.append(helper.make_node("Identity", ["logits_"], ["logits"]))


def _renamed_symbols(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_param = {"batch_size": "N", "sequence_length": "L"}[dim.dim_param]


def _unknown_dims(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.Clear()


def _no_value_info(model: onnx.ModelProto) -> None:
    del model.graph.value_info[:]


def _initializers_as_constants(model: onnx.ModelProto) -> None:
    for tensor in list(model.graph.initializer):
        node = helper.make_node("Constant", [], [tensor.name], value=tensor)
        model.graph.node.insert(0, node)
        model.graph.initializer.remove(tensor)


def _reordered_inputs(model: onnx.ModelProto) -> None:
    inputs = list(model.graph.input)[::-1]
    del model.graph.input[:]
    model.graph.input.extend(inputs)


BENIGN: tuple[Edit, ...] = (
    _identity,
    _renamed_symbols,
    _unknown_dims,
    _no_value_info,
    _initializers_as_constants,
    _reordered_inputs,
)


@pytest.mark.parametrize("edit", BENIGN, ids=lambda edit: edit.__name__.strip("_"))
def test_a_benign_edit_conforms(edit: Edit, exported: Any, subject: Any, tmp_path: Path) -> None:
    report = _conforms(exported, subject, tmp_path, edit)
    assert report.conforms, [(r.requirement, r.message) for r in report.records]


def test_external_data_conforms_and_its_loss_gets_a_verdict(
    exported: Any, subject: Any, tmp_path: Path
) -> None:
    model = onnx.load(exported("bert", TASK))
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="model.data", size_threshold=64)
    assert check(path, subject("bert", TASK).model, TASK, opset=18).conforms
    (tmp_path / "model.data").unlink()
    report = check(path, subject("bert", TASK).model, TASK, opset=18)
    assert not report.conforms
    assert _refused_by(report) == ["checker", "dynamic-axes", "weights"]
