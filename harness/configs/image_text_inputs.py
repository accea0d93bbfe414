"""Dummy feeds of models that read images beside text: placeholder tokens stand for images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.configs.dummy_inputs import DummyInputGenerator, DummyVisionInputGenerator
from harness.configs.feed_generators import Dims, FeedGenerator, FeedRequest, Tensors
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch

    from harness.configs.normalized_config import NormalizedConfig


class DummyImageTextGenerator(FeedGenerator, ABC):
    """Texts with one image in each row, and as many placeholder tokens as the image has features.

    Provoking feeds scatter the placeholders of a row over the text. In ordinary feeds they follow
    the first token. A subclass makes the images.
    """

    def __init__(
        self, task: str, normalized_config: NormalizedConfig, generator: torch.Generator
    ) -> None:
        super().__init__(task, normalized_config, generator)
        self._text = DummyTextInputGenerator(task, normalized_config, generator)

    @abstractmethod
    def images(
        self, request: FeedRequest, *, rows: int, is_ordinary: bool
    ) -> tuple[dict[str, torch.Tensor], Sequence[int]]:
        """Return the inputs of one image for each row, and the number of features of each image."""

    @abstractmethod
    def redraw_images(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        """Return the inputs of images with other values, and as many features as before."""

    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        import torch

        dims = request.dims["input_ids"]
        images, counts = self.images(request, rows=dims[0], is_ordinary=False)
        places = torch.zeros(dims[0], dims[1], dtype=torch.bool)
        for row, count in enumerate(counts):
            places[row, torch.randperm(dims[1], generator=self.generator)[:count]] = True
        ids = self._without_placeholders(self._text.generate("input_ids", dims))
        return {"input_ids": self._with_placeholders(ids, places), **images}

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        import torch

        dims = request.dims["input_ids"]
        images, counts = self.images(request, rows=dims[0], is_ordinary=True)
        number = torch.arange(dims[1])
        places = (number >= 1) & (number <= torch.tensor(counts)[:, None])
        ids = self._without_placeholders(self._text.ordinary("input_ids", dims, past=0))
        return {"input_ids": self._with_placeholders(ids, places), **images}

    def redraw(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        """Draw tokens and images again. Placeholders stay, and no other token becomes one."""
        other, ids = {**feed, **self.redraw_images(feed, places, request)}, feed["input_ids"]
        if "input_ids" in places:
            dims = dict(enumerate(ids.shape))
            drawn = self._text.redraw("input_ids", ids, places["input_ids"], dims)
            plain = self._without_placeholders(drawn)
            other["input_ids"] = ids.where(self.is_placeholder(ids), plain)
        return other

    def pad(self, feed: Tensors, places: Tensors) -> dict[str, torch.Tensor]:
        """Write padding ids. Placeholders stay."""
        other, ids = dict(feed), feed["input_ids"]
        if "input_ids" in places:
            padded = self._text.pad("input_ids", ids, places["input_ids"])
            other["input_ids"] = ids.where(self.is_placeholder(ids), padded)
        return other

    @property
    def placeholder(self) -> int:
        """The id of the token that stands for an image feature."""
        return int(self.whole_config.config.image_token_id)

    def is_placeholder(self, ids: torch.Tensor) -> torch.Tensor:
        """Return which tokens stand for image features."""
        return ids == self.placeholder

    def _with_placeholders(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return ids.masked_fill(places, self.placeholder)

    def _without_placeholders(self, ids: torch.Tensor) -> torch.Tensor:
        """Replace placeholders by their neighbour in the vocabulary."""
        neighbour = self.placeholder - 1 if self.placeholder else 1
        return ids.masked_fill(self.is_placeholder(ids), neighbour)


class DummyFixedImageTextGenerator(DummyImageTextGenerator):
    """Texts with images of one size: `pixel_values` [rows, channels, height, width]."""

    SUPPORTED_INPUT_NAMES = ("input_ids", "pixel_values")

    def images(
        self, request: FeedRequest, *, rows: int, is_ordinary: bool
    ) -> tuple[dict[str, torch.Tensor], Sequence[int]]:
        source = DummyVisionInputGenerator(self.task, self.whole_config, self.generator)
        pixels = source.generate("pixel_values", request.dims["pixel_values"])
        return {"pixel_values": pixels}, [self.whole_config.tokens_per_image] * rows

    def redraw_images(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        pixels = feed["pixel_values"]
        if "pixel_values" not in places:
            return {}
        drawn = self._normal(tuple(pixels.shape))
        return {"pixel_values": drawn.where(places["pixel_values"], pixels)}


class DummyEmbeddingsGenerator(DummyInputGenerator):
    """`inputs_embeds`, what a decoder takes in place of tokens: float32 [batch, length, width]."""

    SUPPORTED_INPUT_NAMES = ("inputs_embeds",)
    MODALITY = "text"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        return self._normal((dims[0], dims[1], self.normalized_config.hidden_size))
