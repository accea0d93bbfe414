"""An upstream defect that only some shapes show and the corners find: rotary at opset 23."""

from __future__ import annotations

import pytest

from harness import CellId, LlamaOnnxConfig, Outcome, judge_cell
from harness.evidence.models import tiny_model


@pytest.mark.parametrize(
    ("task", "takes"),
    [("feature-extraction", True), ("text-generation", True), ("text-classification", False)],
)
def test_llama_takes_position_ids_where_generation_feeds_them(task: str, takes: bool) -> None:
    config = LlamaOnnxConfig(tiny_model("llama", task).config, task=task)
    assert ("position_ids" in config.inputs) is takes


def test_rotary_without_position_ids_is_refused_at_batch_2() -> None:
    report = judge_cell(CellId.parse("llama/text-classification/opset23/dynamo"), profile="smoke")
    agreement = report.record("agreement")
    assert agreement.outcome is Outcome.FAILED
    assert agreement.failing is not None
    assert agreement.failing.axes == {"batch_size": 2, "sequence_length": 1}
    assert "RotaryEmbedding node" in agreement.message
    assert (
        "\nONNX Runtime's kernel is at fault: it refuses a file that onnx's reference evaluator "
        "computes correctly, unless the file breaks a rule of the standard that the evaluator does "
        "not check"
    ) in agreement.message


@pytest.mark.full
@pytest.mark.parametrize(
    "cell", ["llama/text-classification/opset18/dynamo", "llama/text-generation/opset23/dynamo"]
)
def test_the_neighbours_conform(cell: str) -> None:
    assert judge_cell(CellId.parse(cell), profile="smoke").conforms
