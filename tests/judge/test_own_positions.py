"""Files that take no positions are judged by what they take, if generation feeds no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from harness import CellReport, Outcome, check, export
from harness.configs.own_positions import with_own_positions
from tests.gate import full

TASK = "text-generation-with-past"


@pytest.fixture
def judge(subject: Callable[..., Any], tmp_path: Path) -> Callable[..., CellReport]:
    """Judge a file that was exported without positions, after an edit."""

    def run(
        architecture: str,
        edit: Callable[[onnx.ModelProto], None] = lambda model: None,
        requirements: list[str] | None = None,
    ) -> CellReport:
        one = subject(architecture, TASK)
        config = with_own_positions(one.config)
        export(one.model, config, tmp_path, opset=18, exporter="torchscript")
        model = onnx.load(tmp_path / "model.onnx")
        edit(model)
        onnx.save(model, tmp_path / "model.onnx")
        return check(tmp_path, one.model, TASK, requirements=requirements, profile="smoke")

    return run


@pytest.mark.parametrize(
    "requirements",
    [["interface", "agreement"], pytest.param(None, marks=full, id="all")],
)
def test_rotary_positions_that_follow_the_past_conform_with_a_note(
    requirements: list[str] | None, judge: Callable[..., CellReport]
) -> None:
    report = judge("llama", requirements=requirements)
    assert report.conforms, [(r.requirement, r.message) for r in report.records]
    assert "position_ids: got none, expected one" in report.record("interface").message


def test_learned_positions_that_ignore_padding_are_refused(
    judge: Callable[..., CellReport],
) -> None:
    record = judge("gpt2", requirements=["interface"]).record("interface")
    assert record.outcome is Outcome.FAILED
    assert "lost: position_ids" in record.message


def negate_logits(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        node.output[:] = ["before" if name == "logits" else name for name in node.output]
    model.graph.node.append(onnx.helper.make_node("Neg", ["before"], ["logits"]))


def test_a_file_that_is_wrong_on_ordinary_feeds_is_refused(
    judge: Callable[..., CellReport],
) -> None:
    record = judge("llama", negate_logits, ["interface"]).record("interface")
    assert record.outcome is Outcome.FAILED


def lose_the_mask(model: onnx.ModelProto) -> None:
    """Replace the mask, and leave its name to nothing."""
    for value in model.graph.input:
        if value.name == "attention_mask":
            value.name = "mask"
    for node in model.graph.node:
        node.input[:] = ["mask" if name == "attention_mask" else name for name in node.input]


def test_a_file_that_lacks_another_input_too_is_refused(
    judge: Callable[..., CellReport],
) -> None:
    record = judge("llama", lose_the_mask, ["interface"]).record("interface")
    assert record.outcome is Outcome.FAILED
    assert "attention_mask, position_ids" in record.message


def ignore_padding_in_single_steps(model: onnx.ModelProto) -> None:
    """Attend to padding whenever the file is fed one token, as in each step of generation."""
    for node in model.graph.node:
        node.input[:] = ["seen" if name == "attention_mask" else name for name in node.input]
    for name, value in (("zero", 0), ("one", 1)):
        model.graph.initializer.append(onnx.helper.make_tensor(name, 7, [], [value]))
    steps = [
        ("Shape", ["input_ids"], "shape"),
        ("Gather", ["shape", "one"], "tokens"),
        ("Equal", ["tokens", "one"], "is_single"),
        ("Mul", ["attention_mask", "zero"], "nothing"),
        ("Add", ["nothing", "one"], "everything"),
        ("Where", ["is_single", "everything", "attention_mask"], "seen"),
    ]
    nodes = [onnx.helper.make_node(kind, inputs, [output]) for kind, inputs, output in steps]
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def test_a_file_that_is_wrong_only_in_a_step_after_a_padded_prompt_is_refused(
    judge: Callable[..., CellReport],
) -> None:
    record = judge("llama", ignore_padding_in_single_steps, ["interface"]).record("interface")
    assert record.outcome is Outcome.FAILED
    assert "lost: position_ids" in record.message
