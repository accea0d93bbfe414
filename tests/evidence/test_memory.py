"""Memory that runs out is recognised by what each library really raises, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from harness.errors import ExporterError
from harness.evidence.memory import OutOfMemoryError, out_of_memory, value_unless_out_of_memory
from harness.evidence.session import open_session, run_session

ELEMENTS = 10**14


def zeros_model() -> bytes:
    """A model that fills a tensor of the shape that it is fed with zeros."""
    graph = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["shape"], ["y"])],
        "zeros",
        [helper.make_tensor_value_info("shape", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )
    imports = [helper.make_opsetid("", 18)]
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=imports, ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


def ask_onnxruntime() -> object:
    session = open_session(zeros_model(), optimised=True)
    return run_session(session, {"shape": np.array([ELEMENTS])})


def ask_in_an_exporter() -> object:
    try:
        return torch.empty(ELEMENTS)
    except RuntimeError as error:
        raise ExporterError("export failed") from error


@pytest.mark.parametrize(
    ("ask", "needs"),
    [
        (lambda: torch.empty(ELEMENTS), "a block of 4e+05 GB"),
        (lambda: np.empty(10 * ELEMENTS), "more memory than is free"),
        (lambda: bytearray(ELEMENTS), "more memory than is free"),
        (ask_onnxruntime, "a block of 4e+05 GB"),
        (ask_in_an_exporter, "a block of 4e+05 GB"),
    ],
)
def test_every_library_is_understood(ask: Callable[[], object], needs: str) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each library raises its own
        ask()
    found = out_of_memory(raised.value)
    assert isinstance(found, OutOfMemoryError)
    assert found.needs == needs


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        ValueError("cannot allocate a name for this axis"),
        FileNotFoundError(2, "no such file", str(Path("model.onnx"))),
        KeyError("memory"),
    ],
)
def test_other_errors_are_not(error: Exception) -> None:
    assert out_of_memory(error) is None


def test_a_value_has_a_substitute_for_want_of_memory_only() -> None:
    assert value_unless_out_of_memory(lambda: torch.empty(ELEMENTS).numel(), otherwise=3) == 3
    with pytest.raises(ZeroDivisionError):
        value_unless_out_of_memory(lambda: 1 // 0, otherwise=3)
