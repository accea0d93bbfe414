"""Depth Pro: depth from overlapping tiles of an image at several scales."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.base import NamedAxes
from harness.configs.block_images import DummyBlockImageInputGenerator
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.replaced_functions import calling_instead, replace_forward
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

_FEWEST_CUT = 4
"""Tiles of an image from which on their inner borders are cut off."""


@register("depth_pro", tasks=("depth-estimation", "feature-extraction"))
class DepthProOnnxConfig(VisionOnnxConfig):
    """Depth Pro. Images have the size whose smallest scale is one tile, as processors give it.

    Eager takes other sizes too, and then its number of tiles is another one. It has a loop over
    them, so a file has the tiles of one size.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedVisionConfig.with_args(
        num_channels="image_model_config.num_channels"
    )
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyBlockImageInputGenerator,)

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "depth-estimation" and self.config.use_fov_model:
            outputs["field_of_view"] = {0: "batch_size"}
        return outputs

    @property
    def fixed_sizes(self) -> Mapping[str, Mapping[int, int]]:
        side = int(self.config.patch_size / min(self.config.scaled_images_ratios))
        return {"pixel_values": {2: side, 3: side}}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Count the tiles of one image: exporters would keep the number of tiles of a batch."""
        replace_forward(model, "DepthProPatchEncoder", _encode_tiles)
        for kind in ("DepthProImageEncoder", "DepthProFovEncoder"):
            calling_instead(model, "reconstruct_feature_maps", lambda _: _map_of_image, kind=kind)
        return model


def _encode_tiles(module: Any, pixel_values: torch.Tensor) -> list[torch.Tensor]:
    """Return the maps of each scale, coarsest first, and of layers between.

    Each is [batch, channels, height, width].
    """
    import torch

    ratios, batch = module.scaled_images_ratios, pixel_values.shape[0]
    sides = [_tiles_of_side(module.config, number) for number in range(len(ratios))]
    numbers = [side**2 for side in sides]
    cuts = [int(module.merge_padding_value / ratio) for ratio in ratios]
    sizes = [_coarsest_size(module) * 2**number for number in range(len(ratios))]
    tiles = torch.cat(_tiles_of_scales(module, pixel_values)[::-1])
    encoded = module.model(tiles, output_hidden_states=True)
    tokens = encoded.last_hidden_state.unflatten(0, (sum(numbers), batch))
    scales = tokens.split(numbers[::-1])[::-1]
    maps = [_merge(*one) for one in zip(scales, sides, cuts, sizes, strict=True)]
    side = math.isqrt(sum(numbers))
    for hook in module.intermediate_hook_ids:
        tokens = encoded.hidden_states[hook + 1].unflatten(0, (sum(numbers), batch))
        maps.append(_merge(tokens[: side**2], side, cuts[-1], sizes[-1]))
    return maps


def _tiles_of_scales(module: Any, pixel_values: torch.Tensor) -> list[torch.Tensor]:
    """Return the tiles of each scale [tiles * batch, channels, height, width], coarsest first."""
    from torch.nn.functional import interpolate
    from transformers.models.depth_pro.modeling_depth_pro import split_to_patches

    scales = zip(module.scaled_images_ratios, module.scaled_images_overlap_ratios, strict=True)
    return [
        split_to_patches(
            interpolate(pixel_values, scale_factor=ratio, mode="bilinear"),
            patch_size=module.config.patch_size,
            overlap_ratio=overlap,
        )
        for ratio, overlap in scales
    ]


def _coarsest_size(module: Any) -> int:
    """Return the height and width of the map of the coarsest scale."""
    pixels = int(module.config.patch_size / min(module.scaled_images_ratios))
    return pixels >> int(math.log2(pixels / module.out_size))


def _tiles_of_side(config: Any, number: int) -> int:
    """Return the tiles along each side of the image of a scale."""
    ratio = config.scaled_images_ratios[number]
    pixels = int(config.patch_size / min(config.scaled_images_ratios) * ratio)
    stride = int(config.patch_size * (1 - config.scaled_images_overlap_ratios[number]))
    return int((pixels - config.patch_size) // stride + 1)


def _merge(tokens: torch.Tensor, side: int, cut: int, size: int) -> torch.Tensor:
    """Return a map of this size from the tokens of tiles [tiles, batch, tokens, channels].

    So many rows and columns are cut off where tiles meet, up to a quarter of a tile.
    """
    import torch
    from torch.nn.functional import interpolate

    squares = [_square(tile) for tile in tokens.unbind(0)]
    places = squares[0].shape[-1]
    cut = 0 if side**2 < _FEWEST_CUT else min(places // 4, cut)

    def inner(number: int) -> slice:
        first, last = number == 0, number == side - 1
        return slice(0 if first else cut, places if last else places - cut)

    rows = [
        torch.cat(
            [
                squares[row * side + column][:, :, inner(row), inner(column)]
                for column in range(side)
            ],
            dim=-1,
        )
        for row in range(side)
    ]
    return interpolate(torch.cat(rows, dim=-2), size=(size, size), mode="bilinear")


def _map_of_image(
    hidden_state: torch.Tensor, batch_size: int, padding: int, output_size: Sequence[Any]
) -> torch.Tensor:
    """Return the tokens of an image [batch, tokens, channels] as a map of a size."""
    from torch.nn.functional import interpolate

    return interpolate(_square(hidden_state), size=tuple(output_size), mode="bilinear")


def _square(tokens: torch.Tensor) -> torch.Tensor:
    """Return tokens [batch, tokens, channels] as a map [batch, channels, side, side]; the class
    token is left out."""
    side = math.isqrt(int(tokens.shape[1]))
    return tokens[:, -(side**2) :].transpose(1, 2).unflatten(2, (side, side))
