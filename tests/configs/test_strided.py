"""Grids of positions follow the convolutions that make them."""

from __future__ import annotations

import pytest
import torch

from harness.configs.axes import AxisExpression
from harness.configs.strided import Grid, missing

CHAINS = (
    ((7, 2, 3), (3, 2, 1), (3, 2, 1)),
    ((7, 4, 2), (3, 2, 1)),
    ((4, 4, 0), (2, 2, 0), (2, 2, 0)),
    ((2, 2, 0), (5, 2, 2)),
    ((5, 3, 0), (3, 1, 0)),
)
"""Kernel, stride and padding of convolutions in a row."""


@pytest.mark.parametrize("chain", CHAINS)
def test_a_grid_has_the_positions_that_convolutions_leave(
    chain: tuple[tuple[int, int, int], ...],
) -> None:
    grid = Grid()
    for kernel, stride, padding in chain:
        grid = grid.then(kernel=kernel, stride=stride, padding=padding)
    positions = AxisExpression.parse(grid.of("height"))
    for height in range(grid.pixels(1), 70):
        signal = torch.zeros(1, 1, height)
        for kernel, stride, padding in chain:
            weight = torch.zeros(1, 1, kernel)
            signal = torch.nn.functional.conv1d(signal, weight, stride=stride, padding=padding)
        assert positions.evaluate({"height": height}) == signal.shape[-1]


@pytest.mark.parametrize("positions", [1, 2, 5])
def test_one_pixel_less_leaves_one_position_less(positions: int) -> None:
    grid = Grid().then(kernel=7, stride=4, padding=2).divided(2)
    pixels = grid.pixels(positions)
    leaves = AxisExpression.parse(grid.of("width"))
    assert leaves.evaluate({"width": pixels}) == positions
    assert leaves.evaluate({"width": pixels - 1}) == positions - 1


def test_texts_of_grids_are_short() -> None:
    assert Grid().divided(4).divided(2).of("height") == "ceil(height / 8)"
    assert Grid().then(kernel=4, stride=4).of("height") == "height // 4"
    assert Grid().then(kernel=7, stride=4, padding=2).of("width") == "(width + 1) // 4"
    assert Grid().then(kernel=5, stride=2).of("width") == "(width - 3) // 2"


@pytest.mark.parametrize("size", range(1, 10))
def test_what_is_missing_makes_a_size_whole(size: int) -> None:
    assert 0 <= missing(size, 4) < 4
    assert (size + missing(size, 4)) % 4 == 0
