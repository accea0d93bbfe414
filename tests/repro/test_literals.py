"""Tensors are written as Python source that evaluates to the same tensors, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.repro.literals import READ_LIMIT, dict_literal, tensors_literal
from harness.repro.standalone import decode_tensor


def read_back(text: str) -> Any:
    return eval(text, {"torch": torch, "decode_tensor": decode_tensor})  # noqa: S307 - our own output


FLOATS = torch.randn(9, 9, generator=torch.Generator().manual_seed(1)) * 1e-3


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([[1, -2], [3, 1 << 60]]),
        torch.tensor([True, False]),
        FLOATS,
        torch.tensor([0.1, 1 / 3, 3.4e38, 1e-45, -0.0, 16777217.0]),
        FLOATS.double() / 3,
        torch.tensor(7),
        torch.zeros(2, 4, 0, 8),
        torch.randn(READ_LIMIT + 1, generator=torch.Generator().manual_seed(2)),
        torch.arange(READ_LIMIT + 1, dtype=torch.int32).reshape(1, -1),
        torch.tensor([float("nan"), float("inf"), 1.0]),
    ],
    ids=lambda tensor: f"{tensor.dtype}-{tuple(tensor.shape)}",
)
def test_every_bit_comes_back(tensor: torch.Tensor) -> None:
    text = tensors_literal({"x": tensor})
    found = read_back(text)["x"]
    assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    assert found.numpy().tobytes() == tensor.numpy().tobytes()
    assert max(map(len, text.splitlines())) <= 100


def test_numbers_are_short_if_that_loses_nothing() -> None:
    text = tensors_literal({"x": torch.from_numpy(np.array([0.1, 2.5], np.float32))})
    assert "[0.1, 2.5]" in text


def test_large_tensors_are_written_as_base64() -> None:
    assert "decode_tensor(" in tensors_literal({"x": torch.zeros(READ_LIMIT + 1)})
    assert "decode_tensor(" not in tensors_literal({"x": torch.zeros(READ_LIMIT)})


@pytest.mark.parametrize("value", [{}, {"a": 1, "b": {"c": [1.5, None, "x'\"\n"]}}])
def test_plain_data_comes_back(value: dict[str, Any]) -> None:
    assert read_back(dict_literal(value)) == value
