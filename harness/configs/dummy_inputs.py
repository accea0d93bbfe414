"""Seeded dummy inputs, one generator class per family of input names.

A generator fills a tensor whose declared axes have been resolved to sizes; it adds the static
dimensions that the model's configuration fixes. `generate` gives values that expose defects,
`ordinary` the values that users have most often (`harness.configs.feeds.FeedKind`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.configs.feed_generators import (
    Dims,
    FeedGenerator,
    FeedRequest,
    SeededGenerator,
    Tensors,
)
from harness.errors import DescriptionError

if TYPE_CHECKING:
    import torch

MASK_INPUTS = frozenset({"attention_mask", "encoder_attention_mask"})
"""Inputs that say which places of others count: 1 shows a place, 0 hides it."""


class DummyInputGenerator(SeededGenerator, ABC):
    """Makes the values of each input that it supports alone."""

    @abstractmethod
    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        """The input `name`, its declared axes having the sizes `dims` (axis index -> size)."""

    def ordinary(self, name: str, dims: Dims, *, past: int) -> torch.Tensor:
        """Return the commonest values of an input, for tokens that follow `past` earlier ones.

        The default is `generate`, for inputs that have no commoner values, such as pixels.
        """
        return self.generate(name, dims)

    def reaching(self, name: str, dims: Dims, *, number: int) -> torch.Tensor:
        """Return provoking values that end at one of the bounds of the model.

        `number`, modulo the number of bounds, chooses the bound. The default is `generate`, for
        inputs whose values have no bound.
        """
        return self.generate(name, dims)

    def follow_masks(
        self, name: str, tensor: torch.Tensor, masks: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return the values that users derive from the masks of a feed, such as positions.

        The default is the tensor itself.
        """
        return tensor

    def redraw(
        self, name: str, tensor: torch.Tensor, places: torch.Tensor, dims: Dims
    ) -> torch.Tensor:
        """`tensor` with other values at `places`, booleans that broadcast to it."""
        import torch

        return torch.where(places, self.generate(name, dims), tensor)

    def pad(self, name: str, tensor: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """`tensor` with what a preprocessor writes at `places` where it pads, if that is known."""
        return tensor


class TensorByTensor(FeedGenerator):
    """Adapts a generator of single inputs to whole feeds."""

    def __init__(self, source: DummyInputGenerator) -> None:
        super().__init__(source.task, source.whole_config, source.generator)
        self._source = source

    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        return {name: self._source.generate(name, dims) for name, dims in request.dims.items()}

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        return {
            name: self._source.ordinary(name, dims, past=request.past)
            for name, dims in request.dims.items()
        }

    def reaching(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        return {
            name: self._source.reaching(name, dims, number=request.bound)
            for name, dims in request.dims.items()
        }

    def redraw(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        return {
            name: self._source.redraw(name, feed[name], at, request.dims[name])
            for name, at in places.items()
        }

    def pad(self, feed: Tensors, places: Tensors) -> dict[str, torch.Tensor]:
        return {name: self._source.pad(name, feed[name], at) for name, at in places.items()}

    def follow_masks(self, feed: Tensors, masks: Tensors) -> dict[str, torch.Tensor]:
        return {name: self._source.follow_masks(name, one, masks) for name, one in feed.items()}


class DummyPastKeyValuesGenerator(DummyInputGenerator):
    """Keys and values of earlier tokens: float32 [batch, key-value heads, past, head size], where
    those of keys and of values may have different sizes."""

    SUPPORTED_INPUT_NAMES = ("past_key_values",)
    MODALITY = "text"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        config = self.normalized_config
        size = config.value_head_dim if name.endswith(".value") else config.head_dim
        return self._normal((dims[0], config.num_key_value_heads, dims[2], size))


class DummySeq2SeqPastKeyValuesGenerator(DummyInputGenerator):
    """Keys and values of the decoder's earlier tokens and of the encoder's output: float32
    [batch, decoder heads, past or encoder length, head size]."""

    SUPPORTED_INPUT_NAMES = ("past_key_values",)
    MODALITY = "decoder"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        config = self.normalized_config
        length = self._size(dims, 2, or_else="max_source_positions")
        return self._normal((dims[0], config.num_key_value_heads, length, config.head_dim))


class DummyStateGenerator(DummyInputGenerator):
    """States of convolutions and recurrences: float32 [batch, ...], of the sizes in the cache."""

    SUPPORTED_INPUT_NAMES = ("past_conv", "past_recurrent")

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        return self._normal(dense_shape(name, dims))


class DummyAudioInputGenerator(DummyInputGenerator):
    """Sound: `input_features`, a float32 log-mel spectrogram [batch, mel bins, frames], or
    `input_values`, a float32 waveform [batch, samples] of zero mean and unit variance."""

    SUPPORTED_INPUT_NAMES = ("input_features", "input_values")
    MODALITY = "audio"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        if name == "input_values":
            return self._normal(dense_shape(name, dims))
        frames = self._size(dims, 2, or_else="num_frames")
        return self._normal((dims[0], self.normalized_config.num_mel_bins, frames))


class DummyBboxInputGenerator(DummyInputGenerator):
    """Bounding boxes of words: int64 [batch, ..., length, 4], left, top, right, bottom with
    left <= right and top <= bottom, up to the model's last two-dimensional position."""

    SUPPORTED_INPUT_NAMES = ("bbox",)
    MODALITY = "text"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        import torch

        reach = self.normalized_config.max_2d_position_embeddings
        corners = self._integers(0, reach, (*dense_shape(name, dims), 2, 2)).sort(dim=-2).values
        return torch.flatten(corners, start_dim=-2)


class DummyVisionInputGenerator(DummyInputGenerator):
    """Pixels: float32 [batch, channels, height, width], the model's sizes where not dynamic."""

    SUPPORTED_INPUT_NAMES = ("pixel_values",)
    IMAGE_AXES = (1, 2, 3)
    MODALITY = "vision"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        config = self.normalized_config
        channels = dims.get(1, config.num_channels)
        if {2, 3} <= dims.keys():  # then a configuration may well state no size
            return self._normal((dims[0], channels, dims[2], dims[3]))
        height, width = config.image_height_width
        return self._normal((dims[0], channels, dims.get(2, height), dims.get(3, width)))


class DummySeriesInputGenerator(DummyInputGenerator):
    """Time series: float32 [batch, context length, channels], the model's sizes where not dynamic.

    Each series has a level and a scale of its own, since models normalise them. One in eight is
    all zeros, as a channel without values.
    """

    SUPPORTED_INPUT_NAMES = ("past_values",)
    MODALITY = "series"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        length = self._size(dims, 1, or_else="context_length")
        channels = self._size(dims, 2, or_else="num_input_channels")
        one_each = (dims[0], 1, channels)
        scale = self._normal(one_each).exp() * (self._integers(0, 8, one_each) > 0)
        return scale * (self._normal((dims[0], length, channels)) + self._normal(one_each))


def dense_shape(name: str, dims: Dims) -> tuple[int, ...]:
    """Return the shape of an input whose axes are all dynamic; raises DescriptionError if not."""
    if sorted(dims) != list(range(len(dims))):
        raise DescriptionError(f"input {name}: every axis is dynamic, declared are {sorted(dims)}")
    return tuple(dims[axis] for axis in range(len(dims)))
