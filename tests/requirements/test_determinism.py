"""`determinism` refuses a random file, by its operators or by its outputs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness import CellReport, Outcome, Record, check
from harness.evidence.cell_files import Source
from harness.evidence.evidence import Evidence
from harness.evidence.tolerance import Tolerance
from harness.requirements.determinism import REQUIREMENT, examine_example

TASK = "text-classification"
Edit = Callable[[onnx.ModelProto], None]
CheckEdited = Callable[..., CellReport]
Failed = Callable[[CellReport], list[str]]


@pytest.mark.gate_cases(2)
def test_a_correct_export_passes_on_a_few_examples(
    check_correct: Callable[[str], Record],
) -> None:
    record = check_correct("determinism")
    assert record.outcome is Outcome.PASSED, record.message
    assert record.examples == REQUIREMENT.sample


def constant(model: onnx.ModelProto, name: str, value: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))


def add_to_logits(model: onnx.ModelProto, *nodes: onnx.NodeProto, scale: float) -> None:
    """Add scale * noise to the logits; the nodes compute `noise` from the logits, `before`."""
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == "logits":
                node.output[index] = "before"
    constant(model, "scale", np.float32(scale))
    scaled = helper.make_node("Mul", ["noise", "scale"], ["scaled"])
    result = helper.make_node("Add", ["before", "scaled"], ["logits"])
    model.graph.node.extend([*nodes, scaled, result])


def normal(model: onnx.ModelProto, scale: float) -> None:
    noise = helper.make_node("RandomNormalLike", ["before"], ["noise"])
    add_to_logits(model, noise, scale=scale)


def uniform(model: onnx.ModelProto, scale: float) -> None:
    noise = helper.make_node("RandomUniformLike", ["before"], ["noise"], seed=1.0, name="dice")
    add_to_logits(model, noise, scale=scale)


def of_a_shape(model: onnx.ModelProto, scale: float) -> None:
    for operator in ("RandomNormal", "RandomUniform"):
        model.graph.node.append(helper.make_node(operator, [], [operator], shape=[6]))
    noise = helper.make_node("Add", ["RandomNormal", "RandomUniform"], ["noise"])
    add_to_logits(model, noise, scale=scale)


def drawn(model: onnx.ModelProto, scale: float) -> None:
    draw = helper.make_node("Multinomial", ["before"], ["drawn"], sample_size=6)
    noise = helper.make_node("Cast", ["drawn"], ["noise"], to=TensorProto.FLOAT)
    add_to_logits(model, draw, noise, scale=scale)


def tossed(model: onnx.ModelProto, scale: float) -> None:
    chances = helper.make_node("Sigmoid", ["before"], ["chances"])
    noise = helper.make_node("Bernoulli", ["chances"], ["noise"])
    add_to_logits(model, chances, noise, scale=scale)


def in_a_subgraph(model: onnx.ModelProto, scale: float) -> None:
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, None)
    branches = {
        name: helper.make_graph([node], name, [], [result])
        for name, node in {
            "then_branch": helper.make_node("Identity", ["before"], ["result"]),
            "else_branch": helper.make_node("RandomNormalLike", ["before"], ["result"]),
        }.items()
    }
    constant(model, "condition", True)
    add_to_logits(model, helper.make_node("If", ["condition"], ["noise"], **branches), scale=scale)


def in_a_function(model: onnx.ModelProto, scale: float) -> None:
    random = helper.make_node("RandomNormalLike", ["x"], ["y"])
    imports = [helper.make_opsetid("", 18)]
    function = helper.make_function("local", "Noise", ["x"], ["y"], [random], imports)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    add_to_logits(
        model, helper.make_node("Noise", ["before"], ["noise"], domain="local"), scale=scale
    )


def dropout(model: onnx.ModelProto, scale: float) -> None:
    constant(model, "ratio", np.float32(0.5))
    constant(model, "training", True)
    noise = helper.make_node("Dropout", ["before", "ratio", "training"], ["noise"])
    add_to_logits(model, noise, scale=scale)


def dropout_of_a_constant_node(model: onnx.ModelProto, scale: float) -> None:
    flag = numpy_helper.from_array(np.array(True))
    constant(model, "ratio", np.float32(0.5))
    add_to_logits(
        model,
        helper.make_node("Constant", [], ["training"], value=flag),
        helper.make_node("Dropout", ["before", "ratio", "training"], ["noise"]),
        scale=scale,
    )


def batch_normalization(model: onnx.ModelProto, scale: float) -> None:
    for name in ("gain", "bias", "mean", "variance"):
        constant(model, name, np.ones(6, np.float32))
    inputs = ["before", "gain", "bias", "mean", "variance"]
    add_to_logits(
        model,
        helper.make_node(
            "BatchNormalization", inputs, ["noise", "mean_", "variance_"], training_mode=1
        ),
        scale=scale,
    )


OPERATORS: dict[Callable[[onnx.ModelProto, float], None], str] = {
    normal: "operator noise: got RandomNormalLike, expected no random operator",
    uniform: "operator dice: got RandomUniformLike, expected no random operator",
    of_a_shape: "got RandomUniform, expected no random operator",
    drawn: "operator drawn: got Multinomial, expected no random operator",
    tossed: "operator noise: got Bernoulli, expected no random operator",
    in_a_subgraph: "operator result: got RandomNormalLike, expected no random operator",
    in_a_function: "operator y: got RandomNormalLike, expected no random operator",
    dropout: "operator noise: got Dropout, expected no operator in training mode",
    dropout_of_a_constant_node: (
        "operator noise: got Dropout, expected no operator in training mode"
    ),
    batch_normalization: (
        "operator noise: got BatchNormalization, expected no operator in training mode"
    ),
}


@pytest.mark.gate_cases(4)
@pytest.mark.parametrize("add", OPERATORS, ids=lambda add: add.__name__)
def test_a_random_or_training_operator_is_refused(
    add: Callable[[onnx.ModelProto, float], None], check_edited: CheckEdited, failed: Failed
) -> None:
    """Also if its output is multiplied by 0, so that every run gives the same bits."""
    report = check_edited(lambda model: add(model, 0.0), profile="smoke")
    record = report.record("determinism")
    assert OPERATORS[add] in record.message
    assert {"determinism"} <= set(failed(report)) <= {"determinism", "opset"}, failed(report)


def many_dropouts(model: onnx.ModelProto, scale: float) -> None:
    """Add the sum of so many dropouts that two runs never agree."""
    constant(model, "ratio", np.float32(0.5))
    constant(model, "training", True)
    constant(model, "many", [64, 1, 1])
    add_to_logits(
        model,
        helper.make_node("Expand", ["before", "many"], ["copies"]),
        helper.make_node("Dropout", ["copies", "ratio", "training"], ["dropped"]),
        helper.make_node("Cast", ["dropped"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["kept", "first"], ["noise"], keepdims=0),
        scale=scale,
    )
    constant(model, "first", [0])


@pytest.mark.full
def test_runtime_is_inconclusive_for_a_random_file(check_edited: CheckEdited) -> None:
    report = check_edited(lambda model: many_dropouts(model, 0.1), profile="smoke")
    assert report.record("determinism").outcome is Outcome.FAILED
    assert report.record("agreement").outcome is Outcome.FAILED
    assert report.record("runtime").outcome is Outcome.INCONCLUSIVE


def computed_training_mode(model: onnx.ModelProto, scale: float) -> None:
    """Compute the training flag; ONNX Runtime's EliminateDropout takes it for false."""
    constant(model, "ratio", np.float32(0.5))
    constant(model, "off", False)
    add_to_logits(
        model,
        helper.make_node("Not", ["off"], ["training"]),
        helper.make_node("Dropout", ["before", "ratio", "training"], ["noise"]),
        scale=scale,
    )


def test_randomness_that_operators_do_not_show_is_found_by_a_second_run(
    check_edited: CheckEdited, failed: Failed
) -> None:
    """The noise is below atol, so that no other requirement finds it."""
    report = check_edited(lambda model: computed_training_mode(model, 5e-7), profile="smoke")
    record = report.record("determinism")
    assert failed(report) == ["determinism"]
    assert (
        "values of logits: got other bits from the same session without optimisations"
        in record.message
    )
    assert record.failing is not None
    assert record.replay is not None


def inference_dropout(model: onnx.ModelProto) -> None:
    constant(model, "ratio", np.float32(0.5))
    constant(model, "training", False)
    nodes = [
        helper.make_node("Dropout", ["before", "ratio", "training"], ["kept"]),
        helper.make_node("Dropout", ["kept", "ratio"], ["noise"]),
    ]
    add_to_logits(model, *nodes, scale=0.0)


def inference_batch_normalization(model: onnx.ModelProto) -> None:
    for name in ("gain", "bias", "mean", "variance"):
        constant(model, name, np.ones(6, np.float32))
    inputs = ["before", "gain", "bias", "mean", "variance"]
    noise = helper.make_node("BatchNormalization", inputs, ["noise"])
    add_to_logits(model, noise, scale=0.0)


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("edit", [inference_dropout, inference_batch_normalization])
def test_the_same_operators_in_inference_conform(
    edit: Edit, check_edited: CheckEdited, failed: Failed
) -> None:
    report = check_edited(edit, profile="smoke")
    assert report.conforms, failed(report)


@pytest.mark.parametrize(
    ("opset", "node", "is_refused"),
    [
        (6, helper.make_node("Dropout", ["x"], ["y"]), True),
        (6, helper.make_node("Dropout", ["x"], ["y"], is_test=1), False),
        (6, helper.make_node("BatchNormalization", [*"xsbmv"], ["y"]), True),
        (9, helper.make_node("Dropout", ["x"], ["y"], ratio=0.5), False),
        (9, helper.make_node("BatchNormalization", [*"xsbmv"], ["y"]), False),
        (9, helper.make_node("BatchNormalization", [*"xsbmv"], [*"ymvMV"]), True),
    ],
)
def test_training_mode_is_recognised_in_older_opsets(
    opset: int, node: onnx.NodeProto, is_refused: bool, subject: Callable[..., Any], tmp_path: Path
) -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    graph = helper.make_graph([node], "old", value[:1], value[1:])
    imports = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=imports), tmp_path / "model.onnx")
    model = subject("bert", TASK).model
    (record,) = check(tmp_path, model, TASK, requirements=["determinism"]).records
    assert ("expected no operator in training mode" in record.message) is is_refused


def test_the_second_session_reads_the_file_itself(
    exported: Callable[..., Path], subject: Callable[..., Any], tmp_path: Path
) -> None:
    """Replace the file after the first session, as if the runtime had read it differently."""
    one = subject("bert", TASK)
    path = tmp_path / "model.onnx"
    path.write_bytes(exported("bert", TASK).read_bytes())
    source = Source(files=OrderedDict(model=path))
    part = Evidence(model=one.model, config=one.config, source=source).parts[0]
    example = part.subject.first_example
    part.candidate(example)
    proto = onnx.load(path)
    add_to_logits(proto, helper.make_node("Identity", ["before"], ["noise"]), scale=1.0)
    onnx.save(proto, path)
    (finding,) = examine_example(part, example, Tolerance.stated(1e-5)).findings
    assert finding.message.startswith("values of logits: got other bits from a second session")
    assert examine_example(part, example, Tolerance.stated(1e-5)).findings == (finding,)
