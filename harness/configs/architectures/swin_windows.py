"""Paddings and shifts of Swin's windows, by arithmetic in the exporter's copy of a model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn


def decide_by_arithmetic(model: nn.Module) -> nn.Module:
    """Return the model, whose modules of the Swin family pad and shift images of any size.

    A backbone shifts in a single row of windows too (`always_partition`).
    """
    for module in model.modules():
        if type(module).__name__ == "SwinBackbone":
            for inner in module.modules():
                vars(inner)["always_shifts"] = True
        for name, function in _REPLACED.get(type(module).__name__, {}).items():
            vars(module)[name] = functools.partial(function, module)
    return model


def window_landmarks(backbone: Any) -> Mapping[str, Sequence[int]]:
    """Return the rows and columns of the last stage of a Swin at which windows get more than one.

    Empty if the backbone has no windows.
    """
    window = getattr(backbone, "window_size", None)
    if window is None:
        return {}
    pixels = backbone.patch_size * 2 ** (len(backbone.depths) - 1)
    return {f"ceil({axis} / {pixels})": (int(window),) for axis in ("height", "width")}


def _pad_to_patches(module: Any, pixels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Pad an image [batch, channels, height, width] to whole patches."""
    from torch.nn.functional import pad

    rows, columns = module.patch_size
    return pad(pixels, (0, _missing(width, columns), 0, _missing(height, rows)))


def _pad_to_pairs(module: Any, features: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Pad features [batch, height, width, channels] to even sizes."""
    from torch.nn.functional import pad

    return pad(features, (0, 0, 0, _missing(width, 2), 0, _missing(height, 2)))


def _pad_to_windows(
    module: Any, features: torch.Tensor, height: int, width: int
) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Pad features [batch, height, width, channels] to whole windows.

    Also return a padding that is never 0, for the layer that asks whether to cut it off again.
    """
    from torch.nn.functional import pad

    window = module.window_size
    padded = pad(features, (0, 0, 0, _missing(width, window), 0, _missing(height, window)))
    return padded, (0, 0, 0, 1, 0, 1)


def _normalize(module: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Normalize an image of whole windows, the only images that eager takes."""
    normalized: torch.Tensor = (pixels - module.mean) * module.img_range
    return normalized


def _missing(size: int, multiple: int) -> int:
    return (size + multiple - 1) // multiple * multiple - size


def _keep_shift_and_window(module: Any, input_resolution: tuple[int, int]) -> None:
    """Do nothing: eager refuses images that need a smaller window, and `_shift` knows the rest."""


def _shift(module: Any, height: int, width: int) -> torch.Tensor:
    """Return the shift of a layer as a tensor, for padded sizes: 0 for a single row of windows,
    unless the layer always shifts."""
    import torch

    if vars(module).get("always_shifts"):
        return torch.tensor(module.shift_size)
    last = torch.minimum(torch.arange(height)[-1], torch.arange(width)[-1])
    return torch.where(last >= module.window_size, module.shift_size, 0)


def _roll(module: Any, features: torch.Tensor, reverse: bool = False) -> torch.Tensor:
    """Roll features [batch, height, width, channels] by the shift of the layer."""
    import torch

    if module.shift_size == 0:
        return features
    _, height, width, _ = features.shape
    shift = _shift(module, height, width)
    for axis, size in ((1, height), (2, width)):
        places = torch.arange(size) + (-shift if reverse else shift)
        places = torch.where(places >= size, places - size, places)
        places = torch.where(places < 0, places + size, places)
        features = features.index_select(axis, places)
    return features


def _mask_of_regions(
    module: Any, height: int, width: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor | None:
    """Return -100 for pairs of positions in a window that rolling brought together, else 0.

    The shape is [windows, positions, positions]. Without a shift, regions end where windows end.
    """
    import torch
    from transformers.models.swin.modeling_swin import window_partition

    if module.shift_size == 0:
        return None
    shift, window = _shift(module, height, width), module.window_size
    rows, columns = (
        (torch.arange(size) >= size - window).long() + (torch.arange(size) >= size - shift).long()
        for size in (height, width)
    )
    regions = (3 * rows[:, None] + columns).to(dtype)[None, :, :, None]
    of_windows = window_partition(regions, window).view(-1, window * window)
    is_other = of_windows[:, None, :] != of_windows[:, :, None]
    return torch.where(is_other, -100.0, 0.0).to(dtype)


def _attend_in_windows(
    module: Any, hidden_states: torch.Tensor, sizes: tuple[int, int], *_: Any, **__: Any
) -> tuple[torch.Tensor]:
    """Return the output of a layer of Donut, whose forward shifts without a method for it.

    Features are [batch, height * width, channels].
    """
    from transformers.models.swin.modeling_swin import window_partition, window_reverse

    (height, width), (batch, _, channels) = sizes, hidden_states.shape
    normed = module.layernorm_before(hidden_states).view(batch, height, width, channels)
    padded, _ = _pad_to_windows(module, normed, height, width)
    _, rows, columns, _ = padded.shape
    window = module.window_size
    windows = window_partition(_roll(module, padded), window).view(-1, window**2, channels)
    mask = _mask_of_regions(module, rows, columns, windows.dtype, windows.device)
    attended = module.attention(windows, mask)[0].view(-1, window, window, channels)
    image = _roll(module, window_reverse(attended, window, rows, columns), reverse=True)
    image = image[:, :height, :width, :].reshape(batch, height * width, channels)
    added = hidden_states + module.drop_path(image)
    return (added + module.output(module.intermediate(module.layernorm_after(added))),)


class SharedMask:
    """The mask of a layer that adds it twice, as a tensor that is unsqueezed once.

    Exporters would fold each addition of a mask for a fixed image into a constant of its own.
    """

    def __init__(self, mask: torch.Tensor) -> None:
        self.shape = mask.shape
        self._unsqueezed = mask[None, :, None]

    def unsqueeze(self, axis: int) -> Any:
        """Return the mask itself for the axis of heads, and the tensor for the axis of images."""
        return self if axis == 1 else self._unsqueezed


def _mask_once(module: Any, *args: Any, **kwargs: Any) -> SharedMask | None:
    mask = type(module).get_attn_mask(module, *args, **kwargs)
    return None if mask is None else SharedMask(mask)


_PATCHES: Mapping[str, Callable[..., Any]] = {"maybe_pad": _pad_to_patches}
_PAIRS: Mapping[str, Callable[..., Any]] = {"maybe_pad": _pad_to_pairs}
_WINDOWS: Mapping[str, Callable[..., Any]] = {"maybe_pad": _pad_to_windows}
_REPLACED: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "SwinPatchEmbeddings": _PATCHES,
    "SwinPatchMerging": _PAIRS,
    "SwinLayer": {
        **_WINDOWS,
        "cyclic_shift": _roll,
        "get_attn_mask": _mask_of_regions,
        "set_shift_and_window_size": _keep_shift_and_window,
    },
    "DonutSwinPatchEmbeddings": _PATCHES,
    "DonutSwinPatchMerging": _PAIRS,
    "DonutSwinLayer": {"forward": _attend_in_windows},
    "MaskFormerSwinPatchEmbeddings": _PATCHES,
    "MaskFormerSwinPatchMerging": _PAIRS,
    "MaskFormerSwinLayer": _WINDOWS,
    "Swinv2PatchEmbeddings": _PATCHES,
    "Swinv2PatchMerging": _PAIRS,
    "Swinv2Layer": {**_WINDOWS, "get_attn_mask": _mask_once},
    "Swin2SRModel": {"pad_and_normalize": _normalize},
    "Swin2SRLayer": {**_WINDOWS, "get_attn_mask": _mask_once},
}
"""Class -> the methods that are replaced."""
