"""Defects of models that resize maps and tables of positions, or start from grids of anchors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.nn import functional

from tests.faults.library.vision_defects import named_modules


def interpolates_positions_linearly(model: nn.Module) -> None:
    _resize_otherwise(model, "Dinov2Embeddings", _changed(mode="bilinear"))


def adds_to_the_scale(model: nn.Module) -> None:
    """Resize by a factor as the first DINOv2 did: 0.1 is added to the size against rounding."""

    def resized(table: torch.Tensor, *, size: Any, **options: Any) -> torch.Tensor:
        scales = [(new + 0.1) / old for new, old in zip(size, table.shape[2:], strict=True)]
        rows = _cubic(_places(size[0], scales[0]), table, axis=2)
        return _cubic(_places(size[1], scales[1]), rows, axis=3)

    _resize_otherwise(model, "Dinov2Embeddings", resized)


def freezes_the_table(model: nn.Module) -> None:
    for embeddings in named_modules(model, "Dinov2Embeddings"):
        resize = embeddings.interpolate_pos_encoding
        embeddings.interpolate_pos_encoding = lambda values, height, width, resize=resize: resize(
            values, int(height), int(width)
        )


def aligns_corners(model: nn.Module) -> None:
    _resize_otherwise(model, "SegformerDecodeHead", _changed(align_corners=True))


def repeats_places(model: nn.Module) -> None:
    _resize_otherwise(model, "SegformerDecodeHead", _changed(mode="nearest", align_corners=None))


def starts_at_corners(model: nn.Module) -> None:
    """Move the anchors of each level by half of a place."""

    def moved(shapes: Any, build: Callable[..., Any], **options: Any) -> Any:
        anchors, valid = build(shapes, **options)
        half = torch.cat([torch.tensor([[0.5 / w, 0.5 / h]]).expand(h * w, 2) for h, w in shapes])
        places = anchors.sigmoid()
        places[..., :2] = (places[..., :2] - half).clamp(min=1e-4)
        return torch.where(valid, torch.logit(places), anchors), valid

    _anchor_otherwise(model, moved)


def swaps_the_shapes(model: nn.Module) -> None:
    def swapped(shapes: Any, build: Callable[..., Any], **options: Any) -> Any:
        return build(tuple((width, height) for height, width in shapes), **options)

    _anchor_otherwise(model, swapped)


def _anchor_otherwise(model: nn.Module, change: Callable[..., Any]) -> None:
    for detector in named_modules(model, "RTDetrModel"):
        build = detector.generate_anchors
        detector.generate_anchors = lambda shapes=None, build=build, **options: change(
            shapes, build, **options
        )


def _changed(**changes: Any) -> Callable[..., torch.Tensor]:
    resize = functional.interpolate
    return lambda values, **options: resize(values, **{**options, **changes})


def _resize_otherwise(model: nn.Module, name: str, resize: Callable[..., Any]) -> None:
    """Resize with another function while the modules of a class run."""
    for module in named_modules(model, name):
        forward = module.forward

        def otherwise(*arguments: Any, forward: Any = forward, **keywords: Any) -> Any:
            with patch.object(functional, "interpolate", resize):
                return forward(*arguments, **keywords)

        module.forward = otherwise


def _places(size: Any, scale: Any) -> torch.Tensor:
    """Return where the places of the resized table stand in the first one."""
    return (torch.arange(size) + 0.5) / scale - 0.5


def _cubic(places: torch.Tensor, table: torch.Tensor, *, axis: int) -> torch.Tensor:
    """Return a table at these places of an axis, by cubic convolution with a = -0.75.

    The weights are torch's (`UpSample.h`). Places outside have the values of the border.
    """
    first, a, total = places.floor(), -0.75, None
    for step in (-1, 0, 1, 2):
        far = (places - first - step).abs()
        near = ((a + 2) * far - (a + 3)) * far * far + 1
        beyond = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
        weight = torch.where(far <= 1, near, beyond)
        index = (first + step).long().clamp(0, table.shape[axis] - 1)
        shape = [1] * table.ndim
        shape[axis] = -1
        part = table.index_select(axis, index) * weight.reshape(shape)
        total = part if total is None else total + part
    assert total is not None
    return total
