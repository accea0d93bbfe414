"""`interface`: its record shows the declared and the actual inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from harness import CellReport, Outcome, Record, check
from harness.records import TEXT_LIMIT, VALUES_LIMIT, InterfaceValue, PartInterface

CheckEdited = Callable[..., CellReport]
TOKENS = "int64[batch_size, sequence_length]"


def shown(report: CellReport) -> PartInterface:
    (part,) = report.record("interface").interface.values()
    return part


def different(values: list[InterfaceValue]) -> dict[str, tuple[str | None, str | None]]:
    return {value.name: (value.declared, value.actual) for value in values if value.differs}


def test_a_correct_export_has_what_is_declared(check_correct: Callable[[str], Record]) -> None:
    record = check_correct("interface")
    assert record.outcome is Outcome.PASSED
    assert record.interface
    for part in record.interface.values():
        assert part.inputs
        assert part.outputs
        assert different(part.inputs) == different(part.outputs) == {}
        assert part.left_out == 0


def test_dims_and_dtypes_are_shown(check_edited: CheckEdited) -> None:
    part = shown(check_edited(lambda model: None, requirements=["interface"]))
    assert {value.name: value.declared for value in part.inputs} == dict.fromkeys(
        ("input_ids", "attention_mask", "token_type_ids"), TOKENS
    )
    (logits,) = part.outputs
    assert logits.declared == logits.actual == "float32[batch_size, 6]"


def lose_an_input(model: onnx.ModelProto) -> None:
    model.graph.input.pop(2)


def add_an_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("extra", TensorProto.BOOL, None))


def freeze(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3


def clear_a_dim(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].Clear()


def narrow(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.INT32


def flatten(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim.pop()


@pytest.mark.parametrize(
    ("edit", "name", "sides"),
    [
        (lose_an_input, "token_type_ids", (TOKENS, None)),
        (add_an_output, "extra", (None, "bool")),
        (freeze, "input_ids", (TOKENS, "int64[3, sequence_length]")),
        (clear_a_dim, "input_ids", (TOKENS, "int64[?, sequence_length]")),
        (narrow, "attention_mask", (TOKENS, TOKENS.replace("64", "32"))),
        (flatten, "input_ids", (TOKENS, "int64[batch_size]")),
    ],
)
def test_a_difference_is_visible_in_the_text(
    check_edited: CheckEdited, edit: Any, name: str, sides: tuple[str | None, str | None]
) -> None:
    part = shown(check_edited(edit, requirements=["interface"]))
    assert different([*part.inputs, *part.outputs]) == {name: sides}


def test_a_sum_in_another_order_is_the_same(
    exported: Callable[..., Any], subject: Callable[..., Any], tmp_path: Any
) -> None:
    task = "text-generation-with-past"
    model = onnx.load(exported("gpt2", task))
    (mask,) = (value for value in model.graph.input if value.name == "attention_mask")
    mask.type.tensor_type.shape.dim[1].dim_param = "sequence_length + past_sequence_length"
    onnx.save(model, tmp_path / "model.onnx")
    report = check(
        tmp_path / "model.onnx", subject("gpt2", task).model, task, requirements=["interface"]
    )
    part = shown(report)
    assert different(part.inputs) == {}
    declared = {value.name: value.declared for value in part.inputs}
    assert declared["attention_mask"] == "int64[batch_size, past_sequence_length + sequence_length]"


def test_inputs_that_a_description_leaves_out_fail_no_file_of_users(
    exported: Callable[..., Any], fresh_subject: Callable[..., Any]
) -> None:
    """RoBERTa's configuration class has two token types by default, and its tokenizers return
    none."""
    model = fresh_subject("roberta", "fill-mask").model
    model.config.type_vocab_size = 2
    report = check(exported("roberta", "fill-mask"), model, "fill-mask", requirements=["interface"])
    assert report.record("interface").outcome is Outcome.PASSED


def values(count: int, *, wrong: int) -> list[InterfaceValue]:
    return [
        InterfaceValue(name=f"v{i}", declared="x", actual="y" if i == wrong else "x")
        for i in range(count)
    ]


def test_values_that_differ_are_kept_however_many_there_are() -> None:
    part = PartInterface.bounded(inputs=values(200, wrong=150), outputs=values(3, wrong=9))
    assert len(part.inputs) == VALUES_LIMIT
    assert [value.name for value in part.inputs[-2:]] == [f"v{VALUES_LIMIT - 2}", "v150"]
    assert len(part.outputs) == 3
    assert part.left_out == 200 - VALUES_LIMIT


def test_long_names_are_cut() -> None:
    long = InterfaceValue(name="n" * 9999, declared="d" * 9999, actual=None)
    (value,) = PartInterface.bounded(inputs=[long], outputs=[]).inputs
    assert len(value.name) == len(value.declared or "") == TEXT_LIMIT
    assert value.actual is None
