"""DPT and other models that estimate depth with its neck."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.middle_end import AnySizeVisionOnnxConfig
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.replaced_functions import calling_instead
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


OF_BACKBONE = {
    "image_size": "backbone_config.image_size",
    "num_channels": "backbone_config.num_channels",
}
"""Names under which a backbone states what its model does not."""


def _patches(size: int, height: str, width: str) -> str:
    """Return the number of patches of an image as an axis expression."""
    return f"({height} // {size}) * ({width} // {size})"


class PatchedDepthOnnxConfig(AnySizeVisionOnnxConfig):
    """Models that estimate depth from the tokens of patches, for images of any size.

    Pixels that do not fill a patch are left out. An export takes an odd number of patches each way:
    with an even one, the features of two stages have the same size, and the export would keep the
    branch that does not resize them.
    """

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "depth-estimation":
            outputs["predicted_depth"] |= {1: self.size_of_depth("height")}
            outputs["predicted_depth"] |= {2: self.size_of_depth("width")}
        return outputs

    @property
    def patch_size(self) -> int:
        """Height and width of a patch in pixels."""
        return int(self.normalized_config.backbone_config.patch_size)

    @property
    def doublings(self) -> int:
        """How often the size of the last stage is doubled: by each fusion, and by the head."""
        config = self.normalized_config
        fusions: int = range(1, len(config.neck_hidden_sizes) + 1)[config.head_in_index]
        return fusions + 1

    def size_of_depth(self, name: str) -> str:
        """Return the height or width of the output: the last stage, doubled several times."""
        factor, scale = self.normalized_config.reassemble_factors[-1], 2**self.doublings
        if factor >= 1:
            return f"{scale * int(factor)} * ({name} // {self.patch_size})"
        return f"{scale} * ceil(({name} // {self.patch_size}) / {int(1 / factor)})"

    @property
    def attended_positions(self) -> str | None:
        return _patches(self.patch_size, "height", "width")

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        size = self.patch_size
        height = AxisRange(size, 9 * size, export=3 * size + 1)
        width = AxisRange(size, 9 * size, export=6 * size - 1)
        return {"height": height, "width": width, **super().axis_ranges}


@register("dpt", tasks=("depth-estimation", "feature-extraction", "semantic-segmentation"))
class DPTOnnxConfig(PatchedDepthOnnxConfig):
    """DPT. Its own encoder takes images of any size, but its neck takes square ones alone.

    With a backbone, the neck takes any size. The hybrid of DPT takes images of `image_size` alone.
    """

    @property
    def inputs(self) -> Mapping[str, Axes]:
        config = self.normalized_config
        if config.is_hybrid:
            return {"pixel_values": {0: "batch_size"}}
        height, width = self.size_names
        return {"pixel_values": {0: "batch_size", 2: height, 3: width}}

    @property
    def size_names(self) -> tuple[str, str]:
        """The names of the axes of height and width."""
        return "height", "height" if self.is_square else "width"

    @property
    def is_square(self) -> bool:
        """Whether height and width are one axis."""
        has_backbone = self.normalized_config.backbone_config is not None
        return self.task != "feature-extraction" and not has_backbone

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        height, width = map(self.size_of_depth, self.size_names)
        match self.task:
            case _ if self.normalized_config.is_hybrid:
                return NamedAxes((name, {0: "batch_size"}) for name in outputs)
            case "feature-extraction":
                outputs["last_hidden_state"][1] = f"{self.attended_positions} + 1"
                outputs["pooler_output"] = {0: "batch_size"}
            case "depth-estimation":
                outputs["predicted_depth"] = {0: "batch_size", 1: height, 2: width}
            case "semantic-segmentation":
                outputs["logits"] = {0: "batch_size", 2: height, 3: width}
        return outputs

    @property
    def patch_size(self) -> int:
        config = self.normalized_config
        return int((config.backbone_config or config.config).patch_size)

    @property
    def attended_positions(self) -> str | None:
        if self.normalized_config.is_hybrid:
            return None
        return _patches(self.patch_size, *self.size_names)

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Give the neck the rows and columns of patches. Without a backbone, transformers computes
        them as a root of the number of tokens, and an export keeps the number of its own image."""
        modules = {type(module).__name__: module for module in model.modules()}
        if self.is_square and not self.normalized_config.is_hybrid:
            grid: list[Any] = []
            for name, function in (("DPTViTEmbeddings", _keep_grid), ("DPTNeck", _with_grid)):
                vars(modules[name])["forward"] = functools.partial(function, modules[name], grid)
        return model


def _keep_grid(module: Any, grid: list[Any], pixel_values: torch.Tensor) -> Any:
    """Return the embeddings of an image, and keep its rows and columns of patches in a list."""
    sizes = pixel_values.shape[2:]
    grid[:] = [size // module.config.patch_size for size in sizes]
    return type(module).forward(module, pixel_values)


def _with_grid(
    module: Any, grid: Sequence[Any], hidden_states: Sequence[torch.Tensor], *_: None
) -> Any:
    """Return the features of the neck for the rows and columns of patches in a list."""
    return type(module).forward(module, hidden_states, *grid)


@register("depth_anything", tasks=("depth-estimation",))
class DepthAnythingOnnxConfig(PatchedDepthOnnxConfig):
    """Depth Anything. The depth has a number for each pixel of the patches."""

    NORMALIZED_CONFIG_CLASS = NormalizedVisionConfig.with_args(**OF_BACKBONE)

    def size_of_depth(self, name: str) -> str:
        return f"{self.patch_size} * ({name} // {self.patch_size})"

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Leave out conversions to `int`, which make a traced size a number of the own image."""
        calling_instead(model, "int", lambda _: unchanged)
        return model


def unchanged(size: Any) -> Any:
    """Return a size as it is, in place of a conversion to `int`."""
    return size
