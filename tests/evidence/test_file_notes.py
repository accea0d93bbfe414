"""Files beyond float32 are recognised by their operators, types and outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harness.evidence.file_notes import (
    explain_half_precision,
    explain_quantised_operators,
    notes_on_file,
    notes_on_files,
)


def model_of(
    *operators: str, output: str = "y", dtype: int = TensorProto.FLOAT, weight: object = None
) -> onnx.ModelProto:
    """A model with these operators, never run, and one weight."""
    nodes = [helper.make_node(name, ["x"], [f"{name}_{i}"]) for i, name in enumerate(operators)]
    weights = [] if weight is None else [numpy_helper.from_array(np.asarray(weight), "w")]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info(output, dtype, [1])],
        weights,
    )
    return helper.make_model(graph)


@pytest.mark.parametrize(
    "operator",
    [
        *("MatMulInteger", "ConvInteger", "DynamicQuantizeLinear", "QuantizeLinear"),
        *("DequantizeLinear", "QLinearMatMul", "QLinearConv", "QLinearAdd", "QGemm", "QAttention"),
        *("MatMulNBits", "MatMulBnb4", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"),
        *("GatherBlockQuantized", "QMoE", "DynamicQuantizeLSTM", "MatMulFpQ4"),
    ],
)
def test_a_quantised_operator_is_named(operator: str) -> None:
    text = explain_quantised_operators(model_of("Add", operator))
    assert text is not None
    assert text.startswith(f"this file is quantised ({operator}): its values differ from float32")


@pytest.mark.parametrize("operator", ["MatMul", "Add", "QuickGelu", "Gather", "Cast", "MoE"])
def test_a_float_operator_is_not(operator: str) -> None:
    assert explain_quantised_operators(model_of(operator)) is None


def test_rows_that_share_a_scale_are_named() -> None:
    notes = list(notes_on_file(model_of("DynamicQuantizeLinear", "MatMulInteger")))
    assert any("a row depends on the others" in note for note in notes)
    assert not any("a row depends" in note for note in notes_on_file(model_of("MatMulNBits")))


@pytest.mark.parametrize(
    ("model", "is_half"),
    [
        (model_of(dtype=TensorProto.FLOAT16), True),
        (model_of(dtype=TensorProto.BFLOAT16), True),
        (model_of(weight=np.ones(3, np.float16)), True),
        (model_of(weight=np.float16(1)), False),
        (model_of(weight=np.ones(3, np.float32)), False),
    ],
)
def test_half_precision_is_recognised_by_values_and_weights(
    model: onnx.ModelProto, is_half: bool
) -> None:
    text = explain_half_precision(model)
    assert (text is not None) is is_half
    assert not text or text.startswith("float32 files are compared here")


def test_a_pooled_output_is_that_of_sentence_transformers() -> None:
    (note,) = notes_on_file(model_of(output="sentence_embedding"))
    assert "sentence-transformers export" in note
    assert "not supported" in note


def test_equal_notes_of_several_files_are_one(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.onnx" for name in ("encoder_model", "decoder_model")}
    for path in files.values():
        onnx.save(model_of("DynamicQuantizeLinear"), path)
    (note,) = notes_on_files(files)
    assert note.startswith("encoder_model.onnx, decoder_model.onnx: DynamicQuantizeLinear has one")


def test_metadata_is_shown_and_cut() -> None:
    model = model_of("Add")
    helper.set_model_props(model, {"quant_method": "gptq", "z" * 40: "a long word " * 40})
    (note,) = notes_on_file(model)
    assert note.startswith("metadata: quant_method = gptq, zzzz")
    assert note.endswith(" ...")
    assert len(note) < 150
    helper.set_model_props(model, {f"key{n:02}": "v" for n in range(20)})
    (note,) = notes_on_file(model)
    assert note.endswith("key07 = v, 12 more")


def test_our_own_exports_have_no_notes(exported: Callable[[str, str], Path]) -> None:
    assert notes_on_files({"model": exported("bert", "fill-mask")}) == ()
