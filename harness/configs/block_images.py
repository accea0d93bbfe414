"""Images of blocks of one colour with noise: convolutions would average noise alone away."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.configs.dummy_inputs import DummyInputGenerator
from harness.configs.feed_generators import Dims

if TYPE_CHECKING:
    import torch

_BLOCK = 8
"""Height and width of a block, in pixels."""


class DummyBlockImageInputGenerator(DummyInputGenerator):
    """Images of blocks: float32 [batch, channels, height, width], all sizes known but channels."""

    SUPPORTED_INPUT_NAMES = ("pixel_values",)
    IMAGE_AXES = (1, 2, 3)
    MODALITY = "vision"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        channels = self._size(dims, 1, or_else="num_channels")
        return draw_blocks(self._normal, (dims[0], channels, dims[2], dims[3]))


def draw_blocks(
    normal: Callable[[tuple[int, ...]], torch.Tensor], shape: tuple[int, int, int, int]
) -> torch.Tensor:
    """Return images [batch, channels, height, width]; `normal` draws numbers of a shape."""
    batch, channels, height, width = shape
    blocks = normal((batch, channels, height // _BLOCK + 1, width // _BLOCK + 1))
    for axis in (2, 3):
        blocks = blocks.repeat_interleave(_BLOCK, dim=axis)
    return 2 * blocks[:, :, :height, :width] + normal(shape)
