"""The layer that a failure is blamed on, shown with files that each layer makes wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness import CellReport, OnnxConfig, Outcome, Record, check
from harness.evidence import evaluator
from harness.evidence.evaluator import EVALUATOR, Evaluator
from harness.judge.example_results import ExampleResults
from harness.requirements import requirement_ids
from harness.requirements._module_comparison import ModuleComparison
from harness.requirements._node_comparison import VANISHES, NodeComparison
from tests.faults.library import description_kinds as wrong
from tests.faults.library.runtime import REAL
from tests.requirements.changed_weights import change_weight

BERT, GPT2 = ("bert", "text-classification"), ("gpt2", "text-generation-with-past")
NEITHER_AGREES = (
    "the exporter is at fault: neither ORT_DISABLE_ALL nor onnx's reference evaluator agrees with "
    "eager PyTorch"
)

CheckEdited = Callable[..., CellReport]
Edit = Callable[[onnx.ModelProto], None]


@pytest.fixture
def agreement(check_edited: CheckEdited) -> Callable[[Edit], Record]:
    """Return a function that judges an edited file, which must fail, by `agreement`."""

    def run(edit: Edit) -> Record:
        (record,) = check_edited(edit, requirements=["agreement"], profile="smoke").records
        assert record.outcome is Outcome.FAILED, record.message
        return record

    return run


def add_to_logits(model: onnx.ModelProto, *nodes: onnx.NodeProto, **constants: float) -> None:
    """Add `added` to the logits, which are then called `before`.

    The nodes compute `added` from `before`, from `zeros` of the same shape, and from constants.
    """
    for node in model.graph.node:
        node.output[:] = ["before" if name == "logits" else name for name in node.output]
    values = {"zero": 0.0, **constants}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.float32(value), name) for name, value in values.items()
    )
    zeros = helper.make_node("Mul", ["before", "zero"], ["zeros"])
    sums = helper.make_node("Add", ["before", "added"], ["logits"])
    model.graph.node.extend([zeros, *nodes, sums])


def saturate(model: onnx.ModelProto) -> None:
    """Add sigmoid(-30) * 1e13 - 0.93576, which is 0; the runtime's sigmoid is 0 below -18.

    One of the values is a sequence of tensors.
    """
    add_to_logits(
        model,
        helper.make_node("SequenceConstruct", ["zeros"], ["sequence"]),
        helper.make_node("ConcatFromSequence", ["sequence"], ["same"], axis=0),
        helper.make_node("Add", ["same", "low"], ["lowered"], name="lowered"),
        helper.make_node("Sigmoid", ["lowered"], ["tiny"], name="tiny"),
        helper.make_node("Mul", ["tiny", "large"], ["scaled"], name="scaled"),
        helper.make_node("Sub", ["scaled", "expected"], ["added"], name="added"),
        low=-30.0,
        large=1e13,
        expected=1e13 / (1 + np.exp(30.0)),
    )


def expand_bfloat16(model: onnx.ModelProto) -> None:
    """Add 0 through an Expand of bfloat16 to a computed shape; the runtime has no such kernel."""
    add_to_logits(
        model,
        helper.make_node("Cast", ["zeros"], ["narrow"], to=TensorProto.BFLOAT16),
        helper.make_node("Shape", ["before"], ["shape"]),
        helper.make_node("Expand", ["narrow", "shape"], ["expanded"], name="expanded"),
        helper.make_node("Cast", ["expanded"], ["added"], to=TensorProto.FLOAT),
    )


def scores_of(path: Path) -> str:
    """Return the name of the first MatMul of queries with keys in layer 0, whatever it is called.

    The faults of scales overflow there, by the graph and not by a name that exporters choose.
    """
    fed_by: dict[str, set[str]] = {}
    for node in onnx.load(path).graph.node:
        sides = {
            side for side in ("query", "key") if f"layer.0/attention/self/{side}/" in node.name
        }
        sides.update(*(fed_by.get(name, set()) for name in node.input))
        fed_by.update(dict.fromkeys(node.output, sides))
        if node.op_type == "MatMul" and sides == {"query", "key"}:
            return str(node.name)
    raise AssertionError("no node multiplies queries with keys")


def test_the_optimiser_is_blamed_if_the_unoptimised_file_is_right(
    agreement: Callable[[Edit], Record], exported: Callable[..., Path]
) -> None:
    fused = next(fault for fault in REAL if str(fault) == "bert-fused-scale-overflows")
    record = agreement(fused.case.edit)  # type: ignore[attr-defined]
    assert record.blame == "onnxruntime"
    assert (
        "\nONNX Runtime's optimiser is at fault: ORT_DISABLE_ALL agrees with eager PyTorch; the "
        f"values first differ at node `{scores_of(exported(*BERT))}` (MatMul)\n"
    ) in record.message


def test_a_kernel_is_blamed_if_only_the_reference_evaluator_is_right(
    agreement: Callable[[Edit], Record],
) -> None:
    record = agreement(saturate)
    assert record.blame == "onnxruntime"
    assert (
        "\nONNX Runtime's kernel is at fault: onnx's reference evaluator agrees with eager "
        "PyTorch; the values first differ at node `scaled` (Mul)\n"
    ) in record.message


def test_a_kernel_is_blamed_if_it_refuses_a_node(agreement: Callable[[Edit], Record]) -> None:
    record = agreement(expand_bfloat16)
    assert record.blame == "onnxruntime"
    assert "Could not find an implementation for Expand" in record.message
    assert "\nONNX Runtime's kernel is at fault: it refuses a file " in record.message


def freeze_batch(model: onnx.ModelProto) -> None:
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 3


def test_no_kernel_is_blamed_if_the_declared_input_shape_is_wrong(
    agreement: Callable[[Edit], Record],
) -> None:
    """The reference evaluator ignores the declared shape."""
    record = agreement(freeze_batch)
    assert "Got invalid dimensions for input" in record.message
    assert record.blame == "exporter"
    assert NEITHER_AGREES in record.message.splitlines()


def test_the_exporter_is_blamed_if_no_evaluation_is_right(
    agreement: Callable[[Edit], Record],
) -> None:
    record = agreement(change_weight)
    assert record.blame == "exporter"
    assert (
        f"\n{NEITHER_AGREES}; first module whose output is not among the file's values: "
        "`bert.encoder.layer.1.output.dense` (Linear)\n"
    ) in record.message


def ignore_mask(model: onnx.ModelProto) -> None:
    """Ignore the mask in the second layer only."""
    node = next(n for n in model.graph.node if n.name.endswith("layer.1/attention/self/Add"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.0), "nothing"))
    node.input[1] = "nothing"


def turn_rows(model: onnx.ModelProto) -> None:
    """Reverse the rows after the last module, so all values of modules are in the file."""
    add_to_logits(model)
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1]), "last"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([-(2**31)]), "first"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([0]), "rows"))
    del model.graph.node[-1]
    inputs = ["before", "last", "first", "rows", "last"]
    model.graph.node.append(helper.make_node("Slice", inputs, ["logits"]))


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize(
    ("edit", "module"),
    [
        (ignore_mask, "`bert.encoder.layer.1.attention.self` (BertSelfAttention)"),
        (turn_rows, None),
    ],
)
def test_the_module_is_named_if_the_file_goes_wrong_in_one(
    edit: Edit, module: str | None, agreement: Callable[[Edit], Record]
) -> None:
    _, _, rest = agreement(edit).message.partition("first module whose output is not among the ")
    assert rest.startswith(f"file's values: {module}\n") if module else not rest


def add_private_operator(model: onnx.ModelProto) -> None:
    add_to_logits(
        model, helper.make_node("FastGelu", ["one"], ["added"], domain="com.microsoft"), one=1.0
    )
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


@pytest.mark.parametrize(
    ("edit", "limit", "reason"),
    [
        (add_private_operator, "MAX_NODES", "com.microsoft"),
        (change_weight, "MAX_NODES", "nodes, the limit is"),
        (change_weight, "MAX_MEGABYTES", "MB and "),
    ],
)
def test_the_reason_is_given_if_the_evaluator_cannot_decide(
    edit: Edit,
    limit: str,
    reason: str,
    agreement: Callable[[Edit], Record],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if edit is change_weight:
        monkeypatch.setattr(evaluator, limit, 0)
    record = agreement(edit)
    assert record.blame == "exporter"
    assert (
        "\nthe exporter is probably at fault: ORT_DISABLE_ALL does not agree with eager PyTorch "
        "either; onnx's reference evaluator cannot decide: "
    ) in record.message
    assert reason in record.message


def test_the_evaluator_loads_external_data(with_data: Path, subject: Callable[..., Any]) -> None:
    model = onnx.load(with_data)
    saturate(model)
    onnx.save(
        model, with_data, save_as_external_data=True, location="other.data", size_threshold=64
    )
    report = check(with_data, subject(*BERT).model, BERT[1], requirements=["agreement"])
    assert "; the values first differ at node `scaled` (Mul)" in report.record("agreement").message


@pytest.mark.parametrize(
    ("described", "cell", "requirement", "reason"),
    [
        (
            wrong.BeyondThePositions,
            BERT,
            "agreement",
            "eager PyTorch refuses inputs that it declares",
        ),
        (
            wrong.PresentAsLongAsPast,
            GPT2,
            "dynamic-axes",
            "the output shapes of eager PyTorch contradict it too",
        ),
        (
            wrong.MaskOfTokensAlone,
            GPT2,
            "cache",
            "eager PyTorch, fed and composed as described, differs",
        ),
        (
            wrong.WithoutLastValue,
            GPT2,
            "cache",
            "it declares cache inputs without the matching outputs",
        ),
    ],
)
def test_the_description_is_blamed_if_eager_contradicts_it(
    described: type[OnnxConfig],
    cell: tuple[str, str],
    requirement: str,
    reason: str,
    exported: Callable[..., Path],
    subject: Callable[..., Any],
) -> None:
    """The files are correct."""
    one, (_, task) = subject(*cell), cell
    config = described(one.config.config, task=task)
    report = check(
        exported(*cell), one.model, task, opset=18, config=config, requirements=[requirement]
    )
    (record,) = report.records
    assert (record.outcome, record.blame) == (Outcome.FAILED, "harness"), record.message
    assert f"the description is at fault: {reason}" in record.message


def test_an_output_that_the_next_step_lacks_is_named(
    exported: Callable[..., Path], subject: Callable[..., Any]
) -> None:
    one = subject(*GPT2)
    config = wrong.WithoutLastValue(one.config.config, task=GPT2[1])
    report = check(exported(*GPT2), one.model, GPT2[1], config=config, requirements=["cache"])
    assert report.record("cache").message.startswith(
        "declared outputs: got present.0.key, present.0.value, present.1.key, expected "
        "present.1.value too, for the next step ["
    )


def test_the_node_at_which_optimisation_levels_differ_is_named(
    check_edited: CheckEdited, exported: Callable[..., Path]
) -> None:
    plain = next(fault for fault in REAL if str(fault) == "bert-plain-scale-overflows")
    report = check_edited(plain.case.edit, requirements=["runtime"])  # type: ignore[attr-defined]
    assert (
        "ONNX Runtime is at fault; the values first differ at node "
        f"`{scores_of(exported(*BERT))}` (MatMul)"
    ) in report.record("runtime").message


def divide_by_almost_nothing(model: onnx.ModelProto) -> None:
    """Add 1 / tiny * zeros, which is infinity times 0.

    The optimiser makes one division of both nodes, which is 0, unless the inner value is an output.
    """
    add_to_logits(
        model,
        helper.make_node("Add", ["zeros", "factor"], ["tiny"]),
        helper.make_node("Div", ["one", "tiny"], ["inverse"]),
        helper.make_node("Mul", ["inverse", "zeros"], ["added"]),
        one=1.0,
        factor=1e-39,
    )


def test_a_difference_that_observation_removes_is_reported(check_edited: CheckEdited) -> None:
    report = check_edited(divide_by_almost_nothing, requirements=["runtime"])
    assert f"ONNX Runtime is at fault; {VANISHES}\n" in report.record("runtime").message


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("requirement", ["dynamic-axes", "determinism", "runtime"])
def test_a_file_that_never_runs_is_inconclusive_with_the_reason(
    requirement: str, check_edited: CheckEdited
) -> None:
    report = check_edited(expand_bfloat16, requirements=[requirement])
    (record,) = report.records
    assert record.outcome is Outcome.INCONCLUSIVE
    assert record.message.startswith(
        f"{requirement}: got no example of model to observe, so it could not have failed; at the "
        "first, ONNX Runtime refuses: [ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an "
        "implementation for Expand"
    )


def test_warnings_of_the_evaluator_are_not_shown() -> None:
    """Numpy warns of infinities and NaN, which some files compute."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([helper.make_node("Log", ["x"], ["y"])], "log", [value], [result])
    run = EVALUATOR.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        outputs = run({"x": np.array([-1, 0], np.float32)})
    assert np.array_equal(outputs["y"], np.array([np.nan, -np.inf]), equal_nan=True)
    assert seen == []


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The class names of the evaluators that a test opens, once per opening."""
    names: list[str] = []
    classes: tuple[Any, ...] = (Evaluator, NodeComparison, ModuleComparison)
    for one in classes:

        def open_and_note(self: Any, file: Any, eager: Any, open_part: Any = one.open) -> Any:
            names.append(type(self).__name__)
            return open_part(self, file, eager)

        monkeypatch.setattr(one, "open", open_and_note)
    return names


@pytest.mark.gate_cases(1)
@pytest.mark.parametrize("cell", [BERT, GPT2])
def test_a_passing_cell_opens_no_evaluator(
    cell: tuple[str, str],
    opened: list[str],
    exported: Callable[..., Path],
    subject: Callable[..., Any],
) -> None:
    report = check(exported(*cell), subject(*cell).model, cell[1], opset=18, profile="smoke")
    assert report.conforms
    assert {record.requirement for record in report.records} == set(
        requirement_ids(exports_again=False)
    )
    assert opened == []


def test_a_failure_opens_each_evaluator_once_however_long_it_is_shrunk(
    opened: list[str], agreement: Callable[[Edit], Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    findings = ExampleResults.findings

    def counted(self: ExampleResults, example: Any) -> Any:
        seen.append(example)
        return findings(self, example)

    monkeypatch.setattr(ExampleResults, "findings", counted)
    agreement(ignore_mask)
    assert len(set(seen)) > 3
    assert opened == ["Evaluator", "ModuleComparison"]


@pytest.mark.parametrize("requirement", ["agreement", "padding"])
def test_the_tolerance_is_blamed_if_eager_rounds_by_more(
    requirement: str, exported: Callable[..., Path], subject: Callable[..., Any]
) -> None:
    path, model = exported(*BERT), subject(*BERT).model
    report = check(path, model, BERT[1], opset=18, atol=1e-7, requirements=[requirement])
    record = report.record(requirement)
    assert (record.outcome, record.blame) == (Outcome.FAILED, "harness")
    assert (
        "the tolerance is at fault: atol is smaller than 10 x the rounding error" in record.message
    )
