"""Idefics3 and SmolVLM: several images beside each text, each in square tiles of one size."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.base import NamedAxes, OnnxConfig
from harness.configs.calls import PartCall, Result
from harness.configs.feed_generators import Dims, FeedGenerator, FeedRequest, Tensors
from harness.configs.image_text import ImageTextOnnxConfig, NormalizedImageTextConfig
from harness.configs.image_text_inputs import DummyImageTextGenerator
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import IMAGE_TEXT_TASKS, Axes
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn

_IMAGES = ("pixel_values", "pixel_attention_mask")


class Idefics3NormalizedConfig(NormalizedImageTextConfig):
    """Idefics3 merges square blocks of patches into one token each."""

    @property
    def tokens_per_image(self) -> int:
        return int(super().tokens_per_image // self.config.scale_factor**2)


class DummyTileGenerator(FeedGenerator):
    """Images of one size, some in part padding, some all padding.

    `pixel_values` is float32 [rows, images, channels, height, width], `pixel_attention_mask` is
    bool [rows, images, height, width]. Rows with fewer images end with images of zeros, which the
    model drops. The first row has all its images.
    """

    SUPPORTED_INPUT_NAMES = _IMAGES
    IMAGE_AXES = (2, 3, 4)
    MODALITY = "vision"

    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        rows, images = _first_two(request)
        counts = self._integers(0, images + 1, (rows,))
        counts[0] = images
        return self.filled(counts, images, is_padded=True)

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        """Return images that fill their tiles, as many in each row."""
        import torch

        rows, images = _first_two(request)
        return self.filled(torch.full((rows,), images), images, is_padded=False)

    def filled(
        self, counts: torch.Tensor, images: int, *, is_padded: bool
    ) -> dict[str, torch.Tensor]:
        """Return `counts` real images in each row, and images of padding up to `images`."""
        import torch

        height, width = self.normalized_config.image_height_width
        channels = self.normalized_config.num_channels
        shape = (len(counts), images)
        is_real = torch.arange(images) < counts[:, None]
        pixels = self._normal((*shape, channels, height, width))
        sides = torch.tensor([height, width]).expand(*shape, 2)
        if is_padded:
            drawn = [self._integers(1, side + 1, shape) for side in (height, width)]
            sides = torch.stack(drawn, dim=-1)
        rows = torch.arange(height) < sides[..., :1]
        columns = torch.arange(width) < sides[..., 1:]
        mask = rows[..., :, None] & columns[..., None, :] & is_real[..., None, None]
        return {"pixel_values": pixels * mask[:, :, None], "pixel_attention_mask": mask}

    def redraw(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        """Draw the pixels of real images again, and other masks of them."""
        import torch

        other = dict(feed)
        is_real = feed["pixel_values"].flatten(2).any(dim=2)
        drawn = self.filled(is_real.sum(dim=1), is_real.shape[1], is_padded=True)
        if "pixel_values" in places:
            pixels = self._normal(tuple(feed["pixel_values"].shape))
            at = places["pixel_values"] & is_real[:, :, None, None, None]
            other["pixel_values"] = torch.where(at, pixels, feed["pixel_values"])
        if "pixel_attention_mask" in places:
            at = places["pixel_attention_mask"]
            mask = drawn["pixel_attention_mask"]
            other["pixel_attention_mask"] = torch.where(at, mask, feed["pixel_attention_mask"])
        return other


def _first_two(request: FeedRequest) -> tuple[int, int]:
    dims = request.dims["pixel_values"]
    return dims[0], dims[1]


class DummyTiledTextGenerator(DummyImageTextGenerator):
    """Texts with at most one image in each row."""

    SUPPORTED_INPUT_NAMES = ("input_ids", *_IMAGES)
    IMAGE_AXES = DummyTileGenerator.IMAGE_AXES

    def images(
        self, request: FeedRequest, *, rows: int, is_ordinary: bool
    ) -> tuple[dict[str, torch.Tensor], Sequence[int]]:
        images = self._tiles.ordinary(request) if is_ordinary else self._tiles.draw(request)
        counts = images["pixel_values"].flatten(2).any(dim=2).sum(dim=1)
        return images, (counts * self.whole_config.tokens_per_image).tolist()

    def redraw_images(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        redrawn = self._tiles.redraw(feed, places, request)
        return {name: redrawn[name] for name in _IMAGES}

    @property
    def _tiles(self) -> DummyTileGenerator:
        return DummyTileGenerator(self.task, self.whole_config, self.generator)


class Idefics3ImageEncoderPart(OnnxConfig):
    """The file that makes features of all real images: float32 [features, width]."""

    MODALITY = "vision"
    NORMALIZED_CONFIG_CLASS = Idefics3NormalizedConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTileGenerator,)
    DERIVED_AXES = {"num_real_images": "batch_size * num_images"}

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {name: {0: "batch_size", 1: "num_images"} for name in _IMAGES}

    @property
    def outputs(self) -> NamedAxes:
        tokens = self.normalized_config.tokens_per_image
        return OrderedDict(image_features={0: f"{tokens} * num_real_images"})

    def derived_sizes(self, feed: Mapping[str, Any]) -> dict[str, int]:
        return {"num_real_images": int((feed["pixel_values"] != 0).any((2, 3, 4)).sum())}

    @property
    def call(self) -> PartCall:
        features = Result(held="pooler_output")
        return PartCall(module="get_image_features", results={"image_features": features})

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Drop images of padding after the tower and not before it: dropping first gives all its
        tensors a size that only the values decide. Keep positions integers: TorchScript makes
        the filling of `torch.full` a float. Keep the ends of places as they are: a `Range` of ONNX
        has another number of them, for it rounds the step to float32."""
        import torch

        whole: Any = model
        whole.get_image_features = functools.partial(_image_features, whole.base_model)
        embeddings = whole.base_model.vision_model.embeddings
        side = embeddings.num_patches_per_side
        ends = torch.arange(1 / side, 1.0, 1 / side)
        embeddings.forward = functools.partial(_embed, embeddings, ends)
        return model


def _image_features(model: Any, pixel_values: torch.Tensor, pixel_attention_mask: Any) -> Any:
    """Return features [real images * tokens, width] of pixels [rows, images, channels, h, w]."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    pixels, mask = pixel_values.flatten(0, 1), pixel_attention_mask.flatten(0, 1)
    side = model.config.vision_config.patch_size
    rows, columns = (size // side for size in pixels.shape[2:])
    patches = mask.reshape(-1, rows, side, columns, side).long().sum(dim=(2, 4)) > 0
    hidden = model.vision_model(pixel_values=pixels, patch_attention_mask=patches)
    features = model.connector(hidden.last_hidden_state)
    is_real = (pixels != 0).flatten(1).any(dim=1)
    return BaseModelOutputWithPooling(pooler_output=features[is_real].flatten(0, 1))


def _embed(
    embeddings: Any,
    ends: torch.Tensor,
    pixel_values: torch.Tensor,
    patch_attention_mask: torch.Tensor,
) -> torch.Tensor:
    """Return embeddings of patches, whose places count within the image without its padding.

    `ends` are the ends of all places but the last, as fractions of the image.
    """
    import torch

    side = embeddings.num_patches_per_side
    places = []
    for axis in (1, 2):
        hidden = patch_attention_mask.select(3 - axis, 0)
        step = 1.0 / hidden.long().sum(dim=1)
        index = torch.arange(patch_attention_mask.shape[axis], dtype=torch.float32)
        fractions = (index * step[:, None]).clamp(max=1.0 - 1e-6)
        places.append((fractions[..., None] >= ends).long().sum(dim=-1))
    rows, columns = places
    numbers = (rows[:, :, None] * side + columns[:, None]) * patch_attention_mask.long()
    patches = embeddings.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
    embedded: torch.Tensor = patches + embeddings.position_embedding(numbers.flatten(1))
    return embedded


@register("idefics3", tasks=IMAGE_TEXT_TASKS)
class Idefics3OnnxConfig(ImageTextOnnxConfig):
    """Idefics3 with images as processors cut them: tiles of `image_size` squared.

    One call of the whole has at most one image in each row. The file of the tower takes several.
    """

    NORMALIZED_CONFIG_CLASS = Idefics3NormalizedConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyTiledTextGenerator, DummyTextInputGenerator)
    VISION_PART_CLASS = Idefics3ImageEncoderPart

    @property
    def image_inputs(self) -> Mapping[str, Axes]:
        return {name: {0: "batch_size"} for name in _IMAGES}

    @property
    def fixed_sizes(self) -> Mapping[str, Dims]:
        return {**super().fixed_sizes, **{name: {1: 1} for name in _IMAGES}}


register_rows(
    Idefics3OnnxConfig,
    Row("smolvlm", "SmolVLM", IMAGE_TEXT_TASKS, "smaller towers and decoders, otherwise the same"),
)
