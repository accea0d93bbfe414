"""A file gives derived axes the names that the description gives them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import onnx_ir
import pytest

from harness import OnnxConfig
from harness.exporters._derived_axes import names_of_derived_axes


class _Counting(OnnxConfig):
    DERIVED_AXES = {"num_real": "batch_size", "num_other": "batch_size"}
    text = "9 * num_real"

    @property
    def inputs(self) -> Any:
        return {"x": {0: "batch_size"}}

    @property
    def outputs(self) -> Any:
        return OrderedDict(y={0: self.text})


def value(dim: str) -> onnx_ir.Value:
    return onnx_ir.Value(name="y", shape=onnx_ir.Shape([dim, 4]))


@pytest.mark.parametrize(
    ("dim", "text", "names"),
    [
        ("9*u0", "9 * num_real", {"u0": "num_real"}),
        ("u12", "num_real", {"u12": "num_real"}),
        ("9*u0", "9 * batch_size", {}),
        ("u0 + u1", "num_real", {}),
        ("u0", "num_real + num_other", {}),
        ("9*batch_size", "9 * num_real", {}),
    ],
)
def test_a_symbol_is_named_if_both_sides_have_one(
    dim: str, text: str, names: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Counting, "text", text)
    assert names_of_derived_axes([value(dim)], _Counting(None)) == names


def test_an_output_without_a_shape_keeps_its_symbols() -> None:
    assert names_of_derived_axes([onnx_ir.Value(name="y")], _Counting(None)) == {}
