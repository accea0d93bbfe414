"""`runtime` finds changes made by ONNX Runtime's optimiser, and blames ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness import CellReport, Outcome, Record

CheckEdited = Callable[..., CellReport]
Failed = Callable[[CellReport], list[str]]


@pytest.mark.gate_cases(2)
def test_a_correct_export_passes_on_all_examples(
    check_correct: Callable[[str], Record],
) -> None:
    record = check_correct("runtime")
    assert record.outcome is Outcome.PASSED, record.message
    assert record.examples >= 30
    assert record.worst is not None
    assert record.worst.error_ratio < 1


def rename_logits(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == "logits":
                node.output[index] = "before"


def constant(model: onnx.ModelProto, name: str, value: float) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))


def divide_by_almost_nothing(model: onnx.ModelProto) -> None:
    """Return 1 / tiny * (logits * tiny), which is infinite: the inverse exceeds float32.

    The runtime's DivMulFusion makes it (logits * tiny) / tiny, which equals the logits.
    """
    rename_logits(model)
    constant(model, "one", 1.0)
    constant(model, "zero", 0.0)
    constant(model, "factor", 1e-39)
    model.graph.node.extend(
        [
            helper.make_node("Mul", ["before", "zero"], ["zeros"]),
            helper.make_node("Add", ["zeros", "factor"], ["tiny"]),
            helper.make_node("Div", ["one", "tiny"], ["inverse"]),
            helper.make_node("Mul", ["before", "tiny"], ["small"]),
            helper.make_node("Mul", ["inverse", "small"], ["large"]),
            helper.make_node("Identity", ["large"], ["logits"]),
        ]
    )


def test_a_change_by_an_optimisation_is_blamed_on_the_runtime(
    check_edited: CheckEdited, failed: Failed
) -> None:
    report = check_edited(divide_by_almost_nothing, profile="smoke", atol=1e-2)
    record = report.record("runtime")
    assert failed(report) == ["runtime"], [r.message for r in report.records]
    assert "inf in logits: got 0, expected " in record.message
    assert "; ORT_ENABLE_ALL against ORT_DISABLE_ALL [" in record.message
    assert record.blame == "onnxruntime"


def expand_bfloat16(model: onnx.ModelProto) -> None:
    """Add 0 through an Expand of bfloat16 to the same shape.

    The runtime has no such kernel, and needs it only if its optimiser does not remove the node.
    """
    rename_logits(model)
    constant(model, "zero", 0.0)
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "same"))
    model.graph.node.extend(
        [
            helper.make_node("Mul", ["before", "zero"], ["zeros"]),
            helper.make_node("Cast", ["zeros"], ["narrow"], to=TensorProto.BFLOAT16),
            helper.make_node("Expand", ["narrow", "same"], ["expanded"]),
            helper.make_node("Cast", ["expanded"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["before", "wide"], ["logits"]),
        ]
    )


def test_a_file_that_only_runs_optimised_is_refused(
    check_edited: CheckEdited, failed: Failed
) -> None:
    report = check_edited(expand_bfloat16, profile="smoke")
    record = report.record("runtime")
    assert failed(report) == ["runtime"], [r.message for r in report.records]
    assert record.message.startswith("ONNX Runtime at ORT_DISABLE_ALL: got ")
    assert "Expand" in record.message
    assert "expected it to run, as ORT_ENABLE_ALL does [" in record.message
    assert record.blame == "onnxruntime"


def drop_nothing_of_a_constant(model: onnx.ModelProto) -> None:
    """Multiply by a Dropout of 1 whose training flag is computed to be false.

    EliminateDropout wrongly connects the node that computes the flag to the product.
    """
    rename_logits(model)
    constant(model, "one", 1.0)
    constant(model, "ratio", 0.5)
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "on"))
    model.graph.node.extend(
        [
            helper.make_node("Not", ["on"], ["training"]),
            helper.make_node("Dropout", ["one", "ratio", "training"], ["kept"]),
            helper.make_node("Mul", ["before", "kept"], ["logits"]),
        ]
    )


def test_a_file_that_only_runs_unoptimised_is_refused(check_edited: CheckEdited) -> None:
    report = check_edited(drop_nothing_of_a_constant, profile="smoke")
    record = report.record("runtime")
    assert record.outcome is Outcome.FAILED
    assert record.message.startswith("ONNX Runtime at ORT_ENABLE_ALL: got ")
    assert "Argument type mismatch when adding edge" in record.message
    assert "expected it to run, as ORT_DISABLE_ALL does [" in record.message
    assert record.blame == "onnxruntime"


def test_a_file_that_never_runs_is_inconclusive(
    check_edited: CheckEdited,
) -> None:
    def cut(model: onnx.ModelProto) -> None:
        del model.graph.initializer[0]

    (record,) = check_edited(cut, requirements=["runtime"]).records
    assert record.outcome is Outcome.INCONCLUSIVE
    assert "got no example of model to observe" in record.message
