"""Swin and its relatives, which attend within windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.configs.architectures.swin_windows import decide_by_arithmetic
from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
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
    def least_size(self) -> int:
        """The smallest height and width in pixels, at which the last stage has a whole window."""
        size, window = self.pixels_of_position, int(self.normalized_config.window_size)
        return size * (window - 1) + 1

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        size, window = self.pixels_of_position, int(self.normalized_config.window_size)
        low, high = self.least_size, size * (3 * window - 1)
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
        return decide_by_arithmetic(model)


class PaddedSwinOnnxConfig(SwinOnnxConfig):
    """A Swin whose layers have the same shift for all images, and pad any image to whole windows.

    The shift follows from `image_size` alone, so images of one pixel are read too.
    """

    @property
    def least_size(self) -> int:
        return 1


@register("swin2sr", tasks=("feature-extraction", "image-to-image"))
class Swin2SROnnxConfig(PaddedSwinOnnxConfig):
    """Swin2SR: enlarges images. No stage halves them, and its features are an image again.

    It computes the size of the features before it pads the image, so eager refuses images that are
    not whole windows; the processor pads them. A patch is one pixel for the same reason.
    """

    @property
    def pixels_of_position(self) -> int:
        return 1

    @property
    def outputs(self) -> NamedAxes:
        axes = {0: "batch_size", 2: "height", 3: "width"}
        if self.task == "feature-extraction":
            return NamedAxes(last_hidden_state=axes)
        upscale = int(self.normalized_config.upscale)
        enlarged = {axis: f"{upscale} * {axes[axis]}" for axis in (2, 3)}
        return NamedAxes(reconstruction={**axes, **enlarged})

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        window = int(self.normalized_config.window_size)
        low, high = window, 6 * window
        height = AxisRange(low, high, export=3 * window, step=window)
        width = AxisRange(low, high, export=5 * window, step=window)
        return {**super().axis_ranges, "height": height, "width": width}


register_rows(
    SwinOnnxConfig,
    Row(
        "donut-swin",
        "DonutSwin",
        ("feature-extraction", "image-classification"),
        "the encoder of Donut, without a norm after the last stage",
    ),
)
register_rows(
    PaddedSwinOnnxConfig,
    Row(
        "maskformer-swin",
        "MaskFormerSwin",
        ("feature-extraction",),
        "the backbone of MaskFormer; it never shrinks its windows to small images",
    ),
    Row(
        "swinv2",
        "Swinv2",
        ("feature-extraction", "image-classification", "masked-im"),
        "attention is by cosines, a small network computes its position bias, norms come last",
    ),
)
