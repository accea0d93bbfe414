"""The sizes of images in a tiny configuration, and the numbers of features that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.inference.configuration.plans import Plan
from harness.inference.configuration.setting_kinds import Kind, kind_of
from harness.inference.configuration.settings import are_sizes, is_size, read

_LARGEST_KEPT = 64
_PATCHES = 4
"""Patches on a side of a tiny image."""

_TOKENS_OF_IMAGE = (
    "image_seq_length",
    "image_seq_len",
    "num_image_tokens",
    "mm_tokens_per_image",
    "vision_soft_tokens_per_image",
    "image_token_length",
)
_PATCH_COUNTS = ("num_patches", "num_position_embeddings", "position_embedding_size")
_PINPOINTS = "image_grid_pinpoints"


def tiny_images(config: Any, values: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    """Return the settings of one configuration that are about sizes of images."""
    found = {
        name: new
        for name, value in values.items()
        if kind_of(name) is Kind.IMAGE
        if (new := _tiny_size(value, _patch(values), plan)) is not None
    }
    for name in _TOKENS_OF_IMAGE:
        count = _tiny_tokens(config, values.get(name))
        if count is not None:
            found[name] = count
    for name in _PATCH_COUNTS:
        value = values.get(name)
        if is_size(value):
            found[name] = _PATCHES**2 if math.isqrt(value) ** 2 == value else min(value, 32)
    return found


def tiny_pinpoints(settings: dict[str, Any]) -> None:
    """Follow the size of a nested configuration's image in a list of resolutions."""
    sizes = [v.get("image_size") for v in settings.values() if isinstance(v, dict)]
    size = next((size for size in sizes if is_size(size)), _LARGEST_KEPT)
    if _PINPOINTS in settings:
        settings[_PINPOINTS] = [[size, 2 * size], [2 * size, size], [2 * size, 2 * size]]


def _patch(values: Mapping[str, Any]) -> int:
    patch = values.get("patch_size", 1)
    if are_sizes(patch):
        patch = max(patch)
    return patch if is_size(patch) else 1


def _tiny_size(value: Any, patch: int, plan: Plan) -> Any:
    """Return a smaller size, a whole number of patches; None if it stays."""
    largest = value if is_size(value) else max(value) if are_sizes(value) else 0
    small = plan.image or (_PATCHES * patch if patch >= 8 else _LARGEST_KEPT)
    if largest <= max(_LARGEST_KEPT, small):
        return None
    return small if is_size(value) else [small] * len(value)


def _tiny_tokens(config: Any, count: Any) -> int | None:
    """Return the tokens of a tiny image: the share of patches that become tokens stays."""
    for one in (read(config, "vision_config"), config):
        size, patch = read(one, "image_size"), read(one, "patch_size")
        if is_size(count) and is_size(size) and is_size(patch) and size >= patch:
            return max(1, round(count / (size // patch) ** 2 * _PATCHES**2))
    return None
