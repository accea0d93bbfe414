"""Tensors are written as Python that gives them back, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.repro.literals import READ_LIMIT, mapping, tensors
from harness.repro.standalone import decoded


def read_back(text: str) -> Any:
    return eval(text, {"torch": torch, "decoded": decoded})  # noqa: S307 - it is what we wrote


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
    text = tensors({"x": tensor})
    found = read_back(text)["x"]
    assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
    assert found.numpy().tobytes() == tensor.numpy().tobytes()
    assert max(map(len, text.splitlines())) <= 100


def test_numbers_are_short_where_that_says_the_same() -> None:
    text = tensors({"x": torch.from_numpy(np.array([0.1, 2.5], np.float32))})
    assert "[0.1, 2.5]" in text


def test_what_nobody_reads_is_not_listed() -> None:
    assert "decoded(" in tensors({"x": torch.zeros(READ_LIMIT + 1)})
    assert "decoded(" not in tensors({"x": torch.zeros(READ_LIMIT)})


@pytest.mark.parametrize("value", [{}, {"a": 1, "b": {"c": [1.5, None, "x'\"\n"]}}])
def test_plain_data_comes_back(value: dict[str, Any]) -> None:
    assert read_back(mapping(value)) == value
