"""Defects of models that read images of any size: windows, strides, positions and masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad


def named_modules(model: nn.Module, name: str) -> Iterator[Any]:
    """Yield the modules of a class, by its name; raises LookupError if no module has it."""
    found = [module for module in model.modules() if type(module).__name__ == name]
    if not found:
        raise LookupError(f"no module of the class {name}")
    yield from found


def shifts_windows_further(model: nn.Module) -> None:
    for layer in named_modules(model, "SwinLayer"):
        layer.shift_size += 1 if layer.shift_size else 0


def sees_across_windows(model: nn.Module) -> None:
    """Let positions attend that only the shift has brought together."""
    for layer in named_modules(model, "SwinLayer"):
        layer.get_attn_mask = lambda *sizes, dtype, device: None


def pads_before_images(model: nn.Module) -> None:
    """Pad to whole patches above and at the left, not below and at the right."""
    for patches in named_modules(model, "SwinPatchEmbeddings"):
        rows, columns = patches.patch_size

        def padded(pixels: Any, height: int, width: int, r: int = rows, c: int = columns) -> Any:
            return pad(pixels, ((c - width % c) % c, 0, (r - height % r) % r, 0))

        patches.maybe_pad = padded


def pads_a_strided_convolution_before(model: nn.Module) -> None:
    """Move the first convolution by a pixel: as much padding, but more of it before the image."""
    first = next(one for one in model.modules() if isinstance(one, nn.Conv2d))
    first.register_forward_pre_hook(lambda _, arguments: (pad(arguments[0], (1, -1, 1, -1)),))


def freezes_positions(model: nn.Module) -> None:
    """Compute positions for the size of the export, as constants."""
    for positions in named_modules(model, "DetrSinePositionEmbedding"):
        build = positions.build_sine_position_embedding

        def frozen(shape: Any, *arguments: Any, build: Any = build) -> torch.Tensor:
            sizes = torch.Size([1, 1, int(shape[2]), int(shape[3])])
            settings, mask = arguments[:-1], torch.ones(1, *sizes[2:], dtype=torch.bool)
            table: torch.Tensor = build(sizes, *settings, mask)
            return table

        positions.build_sine_position_embedding = frozen


def exchanges_rows_and_columns(model: nn.Module) -> None:
    """Exchange the positions along height with those along width."""

    def exchanged(_: Any, arguments: Any, found: torch.Tensor) -> torch.Tensor:
        along_height, along_width = found.chunk(2, dim=1)
        return torch.cat((along_width, along_height), dim=1)

    for positions in named_modules(model, "DetrSinePositionEmbedding"):
        positions.register_forward_hook(exchanged)


def shrinks_masks_from_centres(model: nn.Module) -> None:
    """Take the pixel at the centre of each place of the mask, not the first one."""
    for encoder in named_modules(model, "DetrConvEncoder"):
        encoder.forward = lambda pixel_values, pixel_mask, encoder=encoder: [
            (one, _centred(pixel_mask, one.shape[-2:]).bool())
            for one in encoder.model(pixel_values).feature_maps
        ]


def _centred(mask: torch.Tensor, sizes: Any) -> torch.Tensor:
    for axis, size in enumerate(sizes, start=1):
        before, after = torch.arange(mask.shape[axis]), torch.arange(size)
        step = (before[-1] + 1).float() / (after[-1] + 1).float()
        places = ((after.float() + 0.5) * step).floor().long()
        mask = mask.index_select(axis, torch.minimum(places, before[-1]))
    return mask
