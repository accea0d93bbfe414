"""Swin."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("swin", tasks=("feature-extraction", "image-classification", "masked-im"))
class SwinOnnxConfig(VisionOnnxConfig):
    """Swin. It pads images to whole patches and windows, so height and width are dynamic.

    The last stage must have a whole window. If it has just one in height or in width, its windows
    are not shifted. Absolute positions fit images of `image_size` alone, and so does the head of
    `masked-im`, which restores squares.
    """

    DIVIDED_AXES = frozenset({"height", "width"})

    @property
    def inputs(self) -> Mapping[str, Axes]:
        axes = {0: "batch_size"}
        return {"pixel_values": axes | ({2: "height", 3: "width"} if self.takes_any_size else {})}

    @property
    def takes_any_size(self) -> bool:
        """Whether height and width are free."""
        return self.task != "masked-im" and not self.normalized_config.use_absolute_embeddings

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "feature-extraction":
            if self.takes_any_size:
                outputs["last_hidden_state"][1] = self._positions
            outputs["pooler_output"] = {0: "batch_size"}
        return outputs

    @property
    def _positions(self) -> str:
        size = self.pixels_of_position
        return f"ceil(height / {size}) * ceil(width / {size})"

    @property
    def pixels_of_position(self) -> int:
        """Height and width, in pixels, of a position of the last stage: each stage halves them."""
        config = self.normalized_config
        return int(config.patch_size * 2 ** (len(config.depths) - 1))

    @property
    def attended_positions(self) -> str | None:
        """Of the last stage, which has most of the weights; the others attend within windows."""
        return self._positions if self.takes_any_size else None

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        size, window = self.pixels_of_position, int(self.normalized_config.window_size)
        low, high = size * (window - 1) + 1, size * (3 * window - 1)
        height = AxisRange(low, high, export=size * (window + 1) + 1)
        width = AxisRange(low, high, export=size * (2 * window) - 1)
        return {"height": height, "width": width, **super().axis_ranges}

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        """Up to one window in height or width, the windows of the last stage are not shifted."""
        size, window = self.pixels_of_position, int(self.normalized_config.window_size)
        return {f"ceil({name} / {size})": (window,) for name in ("height", "width")}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Decide paddings and shifts by arithmetic. In transformers they are branches in Python,
        which an export takes as for its own image; some keep their decision for later images."""
        from transformers.models.swin import modeling_swin as swin

        replaced: Mapping[type[Any], Mapping[str, Any]] = {
            swin.SwinPatchEmbeddings: {"maybe_pad": _pad_to_patches},
            swin.SwinPatchMerging: {"maybe_pad": _pad_to_pairs},
            swin.SwinLayer: {
                "cyclic_shift": _roll,
                "get_attn_mask": _mask_of_regions,
                "maybe_pad": _pad_to_windows,
                "set_shift_and_window_size": _keep_shift_and_window,
            },
        }
        for module in model.modules():
            for name, function in replaced.get(type(module), {}).items():
                vars(module)[name] = functools.partial(function, module)
        return model


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


def _missing(size: int, multiple: int) -> int:
    return (size + multiple - 1) // multiple * multiple - size


def _keep_shift_and_window(module: Any, input_resolution: tuple[int, int]) -> None:
    """Do nothing: eager refuses images that need a smaller window, and `_shift` knows the rest."""


def _shift(module: Any, height: int, width: int) -> torch.Tensor:
    """Return the shift of a layer as a tensor, for padded sizes: 0 for a single row of windows."""
    import torch

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
