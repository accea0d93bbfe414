"""Qwen2-VL: images of any size as rows of patches, and positions in time, height and width."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.base import NamedAxes, OnnxConfig
from harness.configs.calls import PartCall, Result
from harness.configs.feed_generators import Dims, FeedGenerator, FeedRequest, Tensors
from harness.configs.image_text import EmbeddingsDecoderPart, ImageTextOnnxConfig
from harness.configs.image_text_inputs import DummyImageTextGenerator
from harness.configs.normalized_config import NormalizedTextAndVisionConfig
from harness.configs.task_table import IMAGE_TEXT_TASKS, Axes
from harness.configs.tasks import register
from harness.configs.text_inputs import DummyTextInputGenerator

if TYPE_CHECKING:
    import torch
    from torch import nn

DIRECTIONS = 3
"""Time, height and width, in this order in grids and positions."""

MOST_BLOCKS = (2, 2, 3)
"""The largest image that is drawn: frames, and blocks of patches that are merged into one token."""


class Qwen2VLNormalizedConfig(NormalizedTextAndVisionConfig):
    """Qwen2-VL merges square blocks of patches into one token each."""

    @property
    def merge(self) -> int:
        """The side of a block, in patches."""
        return int(self.config.vision_config.spatial_merge_size)

    @property
    def tokens_per_image(self) -> int:
        """The most tokens of an image that is drawn."""
        frames, height, width = MOST_BLOCKS
        return frames * height * width

    @property
    def patch_width(self) -> int:
        """The number of values of a patch."""
        vision = self.config.vision_config
        return int(vision.in_channels * vision.temporal_patch_size * vision.patch_size**2)


class DummyGridGenerator(FeedGenerator):
    """Images of several sizes: `image_grid_thw`, the patches of each image in time, height and
    width, int64 [images, 3]; and `pixel_values`, the patches of all, float32 [patches, values]."""

    SUPPORTED_INPUT_NAMES = ("pixel_values", "image_grid_thw")

    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        import torch

        count, merge = request.dims["image_grid_thw"][0], self.normalized_config.merge
        blocks = [self._integers(1, most + 1, (count,)) for most in MOST_BLOCKS]
        return self._filled(torch.stack(blocks, dim=1) * torch.tensor([1, merge, merge]))

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        """Return images of one frame each."""
        grid = self.draw(request)["image_grid_thw"]
        grid[:, 0] = 1
        return self._filled(grid)

    def _filled(self, grid: torch.Tensor) -> dict[str, torch.Tensor]:
        patches = int(grid.prod(dim=1).sum())
        values = self._normal((patches, self.normalized_config.patch_width))
        return {"pixel_values": values, "image_grid_thw": grid}

    def redraw(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        """Draw patches again, and exchange height and width: the number of patches stays."""
        import torch

        other = dict(feed)
        if "pixel_values" in places:
            drawn = self._normal(tuple(feed["pixel_values"].shape))
            other["pixel_values"] = torch.where(places["pixel_values"], drawn, feed["pixel_values"])
        if "image_grid_thw" in places:
            other["image_grid_thw"] = feed["image_grid_thw"][:, [0, 2, 1]]
        return other


class DummyQwen2VLGenerator(DummyImageTextGenerator):
    """Texts with an image of any size in each row, and positions, int64 [3, rows, length]."""

    SUPPORTED_INPUT_NAMES = ("input_ids", "pixel_values", "image_grid_thw", "position_ids")

    def images(
        self, request: FeedRequest, *, rows: int, is_ordinary: bool
    ) -> tuple[dict[str, torch.Tensor], Sequence[int]]:
        asked = FeedRequest(dims={"image_grid_thw": {0: rows}}, sizes=request.sizes)
        images = self._grids.ordinary(asked) if is_ordinary else self._grids.draw(asked)
        counts = images["image_grid_thw"].prod(dim=1) // self.whole_config.merge**2
        return images, counts.tolist()

    def redraw_images(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        return self._grids.redraw(feed, places, request)

    @property
    def _grids(self) -> DummyGridGenerator:
        return DummyGridGenerator(self.task, self.whole_config, self.generator)

    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        positions = self._text.generate("position_ids", request.dims["position_ids"])
        return {**super().draw(request), "position_ids": positions}

    def reaching(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        dims = request.dims["position_ids"]
        positions = self._text.reaching("position_ids", dims, number=request.bound)
        return {**super().draw(request), "position_ids": positions}

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        """Return positions as transformers' `get_rope_index` counts them, beside the rest."""
        import torch

        feed = super().ordinary(request)
        length, merge = feed["input_ids"].shape[1], self.whole_config.merge
        rows = [_positions(grid, length, merge) for grid in feed["image_grid_thw"].tolist()]
        return {**feed, "position_ids": torch.stack(rows, dim=1)}

    def redraw(
        self, feed: Tensors, places: Tensors, request: FeedRequest
    ) -> dict[str, torch.Tensor]:
        other = super().redraw(feed, places, request)
        if "position_ids" in places:
            dims = dict(enumerate(feed["position_ids"].shape))
            drawn = self._text.generate("position_ids", dims)
            other["position_ids"] = drawn.where(places["position_ids"], feed["position_ids"])
        return other


def _positions(grid: Sequence[int], length: int, merge: int) -> torch.Tensor:
    """Return the positions of a text whose image follows the first token, [3, length]."""
    import torch

    frames, height, width = grid[0], grid[1] // merge, grid[2] // merge
    sizes = [torch.arange(size) for size in (frames, height, width)]
    image = 1 + torch.cartesian_prod(*sizes).T
    after = torch.arange(length - 1 - image.shape[1]) + 1 + max(height, width)
    first = torch.zeros(DIRECTIONS, 1, dtype=torch.int64)
    return torch.cat([first, image, after.expand(DIRECTIONS, -1)], dim=1)


class Qwen2VLImageEncoderPart(OnnxConfig):
    """The file that makes one feature of each block of patches: float32 [blocks, width]."""

    MODALITY = "vision"
    NORMALIZED_CONFIG_CLASS = Qwen2VLNormalizedConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyGridGenerator,)
    DERIVED_AXES = {"num_patches": "64 * num_images"}

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {"pixel_values": {0: "num_patches"}, "image_grid_thw": {0: "num_images"}}

    @property
    def outputs(self) -> NamedAxes:
        return OrderedDict(image_features={0: f"num_patches // {self.normalized_config.merge**2}"})

    @property
    def call(self) -> PartCall:
        features = Result(held="pooler_output")
        return PartCall(module="get_image_features", results={"image_features": features})

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Attend within each frame by a mask: eager splits the patches by a list of lengths."""
        whole: Any = model
        visual = whole.base_model.visual
        whole.get_image_features = functools.partial(_image_features, visual)
        for block in visual.blocks:
            block.attn.forward = functools.partial(_attend_within_frames, block.attn)
        return model


def _image_features(visual: Any, pixel_values: torch.Tensor, image_grid_thw: torch.Tensor) -> Any:
    """Call the vision tower of Qwen2-VL with places that are computed without loops."""
    places, frames = _places(image_grid_thw, pixel_values.shape[0], visual.spatial_merge_size)
    return visual(pixel_values, image_grid_thw, position_ids=places, cu_seqlens=frames)


def _places(grid: torch.Tensor, patches: int, merge: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return row and column of each patch, and the image and frame that it belongs to.

    Both are int64 [patches, 2]. The patches of a frame are in blocks of `merge` x `merge`.
    """
    import torch

    counts = grid.prod(dim=1)
    number = torch.arange(counts.shape[0])
    ends = (counts * (number[:, None] >= number)).sum(dim=1)  # cumsum has no opset below 11
    index = torch.arange(patches)
    image = (index[:, None] >= ends[None]).sum(dim=1)
    height, width = grid[image, 1], grid[image, 2]
    within = index - (ends - counts)[image]
    frame, within = within // (height * width), within % (height * width)
    block, corner = within // merge**2, within % merge**2
    blocks = width // merge
    row = block // blocks * merge + corner // merge
    column = block % blocks * merge + corner % merge
    return torch.stack((row, column), dim=1), torch.stack((image, frame), dim=1)


def _attend_within_frames(
    attention: Any,
    hidden_states: torch.Tensor,
    cu_seqlens: torch.Tensor,
    position_embeddings: tuple[torch.Tensor, torch.Tensor],
    **_: Any,
) -> torch.Tensor:
    """Attend as Qwen2-VL's vision tower does, with `cu_seqlens` as the frame of each patch."""
    import torch
    from transformers.models.qwen2_vl.modeling_qwen2_vl import apply_rotary_pos_emb_vision

    length = hidden_states.shape[0]
    projected = attention.qkv(hidden_states).reshape(length, 3, attention.num_heads, -1)
    query, key, value = projected.permute(1, 0, 2, 3).unbind(0)
    query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
    query, key, value = (tensor.transpose(0, 1) for tensor in (query, key, value))
    scores = query @ key.transpose(1, 2) * attention.scaling
    is_apart = (cu_seqlens[:, None] != cu_seqlens[None]).any(dim=-1)
    weights = scores.masked_fill(is_apart, -torch.inf).softmax(dim=-1)
    joined = (weights @ value).transpose(0, 1).reshape(length, -1)
    projection: torch.Tensor = attention.proj(joined)
    return projection


class Qwen2VLDecoderPart(EmbeddingsDecoderPart):
    """Qwen2-VL's decoder has a position in each direction: int64 [3, batch, length]."""

    @property
    def inputs(self) -> Mapping[str, Axes]:
        positions: Axes = {1: "batch_size", 2: "sequence_length"}
        return {n: positions if n == "position_ids" else a for n, a in super().inputs.items()}

    @property
    def fixed_sizes(self) -> Mapping[str, Dims]:
        return {**super().fixed_sizes, "position_ids": {0: DIRECTIONS}}


@register("qwen2_vl", tasks=IMAGE_TEXT_TASKS)
class Qwen2VLOnnxConfig(ImageTextOnnxConfig):
    """Qwen2-VL with images. The caller gives positions, as `get_rope_index` counts them."""

    NORMALIZED_CONFIG_CLASS = Qwen2VLNormalizedConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyQwen2VLGenerator, DummyTextInputGenerator)
    VISION_PART_CLASS = Qwen2VLImageEncoderPart
    DECODER_PART_CLASS = Qwen2VLDecoderPart
    DERIVED_AXES = {"num_patches": "64 * batch_size"}

    @property
    def image_inputs(self) -> Mapping[str, Axes]:
        return {"pixel_values": {0: "num_patches"}, "image_grid_thw": {0: "batch_size"}}

    @property
    def inputs(self) -> Mapping[str, Axes]:
        positions: Axes = {1: "batch_size", 2: self.token_axis}
        return {n: positions if n == "position_ids" else a for n, a in super().inputs.items()}

    @property
    def fixed_sizes(self) -> Mapping[str, Dims]:
        return {**super().fixed_sizes, "position_ids": {0: DIRECTIONS}}

    def generation_inputs(self, prompt: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """`generate()` finds the images in a prompt by the types of its tokens."""
        return {"mm_token_type_ids": (prompt["input_ids"] == self.config.image_token_id).int()}

    def from_generation(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        """`generate()` adds positions of the text alone before the three directions."""
        return tensor[-DIRECTIONS:] if name == "position_ids" else tensor
