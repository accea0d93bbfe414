"""DETR and its relatives that attend to one feature map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.axis_space import AxisRange
from harness.configs.base import NamedAxes
from harness.configs.block_images import draw_blocks
from harness.configs.feed_generators import FeedGenerator, FeedRequest
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.normalized_config import NormalizedBackboneConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


_STAGES = range(4)
_CONV_ENCODERS = tuple(
    f"{name}ConvEncoder"
    for name in ("Detr", "ConditionalDetr", "DabDetr", "DeformableDetr", "TableTransformer")
)
"""Classes that return the features of a backbone and their masks."""

_PIXELS_OF_MASK = 4
"""Pixels of a place of a mask, whose size is that of the first stage of the backbone."""

_LEARNED_POSITIONS = 50
"""Rows of the table of learned positions (`DetrLearnedPositionEmbedding`)."""


class DummyPaddedImageInputGenerator(FeedGenerator):
    """Images of several sizes in one batch, as processors pad them: float32 [batch, channels,
    height, width] with zeros below and at the right of each image, and the mask of its pixels,
    int64 [batch, height, width]. The first image has the full size."""

    SUPPORTED_INPUT_NAMES = ("pixel_values", "pixel_mask")
    IMAGE_AXES = (1, 2, 3)
    MODALITY = "vision"

    def draw(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        mask = self._mask(request)
        return {"pixel_values": self._pixels(request) * mask[:, None], "pixel_mask": mask}

    def ordinary(self, request: FeedRequest) -> dict[str, torch.Tensor]:
        """Return images of one size."""
        import torch

        mask = torch.ones(self._shape(request), dtype=torch.int64)
        return {"pixel_values": self._pixels(request), "pixel_mask": mask}

    def _pixels(self, request: FeedRequest) -> torch.Tensor:
        batch, height, width = self._shape(request)
        channels = self.normalized_config.num_channels
        return draw_blocks(self._normal, (batch, channels, height, width))

    def _mask(self, request: FeedRequest) -> torch.Tensor:
        import torch

        batch, height, width = self._shape(request)
        heights, widths = (self._integers(1, size + 1, (batch, 1)) for size in (height, width))
        heights[0], widths[0] = height, width
        rows, columns = torch.arange(height) < heights, torch.arange(width) < widths
        return (rows[:, :, None] & columns[:, None, :]).long()

    def _shape(self, request: FeedRequest) -> tuple[int, int, int]:
        dims = request.dims["pixel_values"]
        return dims[0], dims[2], dims[3]


@register("detr", tasks=("feature-extraction", "image-segmentation", "object-detection"))
class DetrOnnxConfig(VisionOnnxConfig):
    """DETR: a fixed number of queries looks for objects in images of any size.

    A batch has images of several sizes, so its mask is an input, as processors give it. It hides
    padding from the attention alone: convolutions read padded pixels, so the values there count.
    """

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyPaddedImageInputGenerator,)
    DIVIDED_AXES = frozenset({"height", "width"})

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {
            "pixel_values": {0: "batch_size", 2: "height", 3: "width"},
            "pixel_mask": {0: "batch_size", 1: "height", 2: "width"},
        }

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        for axis, name in ((2, "height"), (3, "width")):
            if "pred_masks" in outputs:
                outputs["pred_masks"][axis] = f"ceil({name} / {_PIXELS_OF_MASK})"
        return outputs

    @property
    def stride(self) -> int:
        """Pixels of a position that the encoder sees: each stage of the backbone halves them."""
        config = self.normalized_config
        stages = len(getattr(config.backbone_config, "depths", _STAGES))
        return int(2 ** (stages + 1) // (2 if config.dilation else 1))

    @property
    def attended_positions(self) -> str:
        return f"ceil(height / {self.stride}) * ceil(width / {self.stride})"

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        half, high = self.stride // 2, 7 * self.stride
        return {
            "height": AxisRange(1, high, export=5 * half),
            "width": AxisRange(1, high, export=9 * half),
            **super().axis_ranges,
        }

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        """Learned positions end with a table; computed ones do not."""
        if self.normalized_config.position_embedding_type != "learned":
            return {}
        return {f"ceil({name} / {self.stride})": _LEARNED_POSITIONS for name in ("height", "width")}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Pick the pixels of the small mask by index. `Resize` to a size divides by a rounded scale
        in ONNX Runtime 1.32: of 28 pixels for 4 positions it takes number 6 and not 7."""
        for kind in _CONV_ENCODERS:
            replace_forward(model, kind, features_and_masks)
        return model


_TASKS = ("feature-extraction", "object-detection")


@register("dab-detr", tasks=_TASKS)
class DabDetrOnnxConfig(DetrOnnxConfig):
    """DAB-DETR. A query is a box, and positions are sines alone."""

    NORMALIZED_CONFIG_CLASS = NormalizedBackboneConfig

    @property
    def axis_ceilings(self) -> Mapping[str, int]:
        return {}


@register("deformable_detr", tasks=_TASKS)
class DeformableDetrOnnxConfig(DetrOnnxConfig):
    """Deformable DETR. A query reads a few points of each level of a pyramid."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Compute the sizes of levels as tensors, of which eager makes constants, and centres of
        places without `linspace`, whose step TorchScript divides by zero for a single place."""
        replace_forward(model, "DeformableDetrMultiscaleDeformableAttention", deform_with_sizes)
        for module in model.modules():
            if type(module).__name__ == "DeformableDetrEncoder":
                vars(module)["get_reference_points"] = centres_of_places
        return super().patch_model_for_export(model)


def deform_with_sizes(
    module: Any, *args: Any, spatial_shapes: Any = None, spatial_shapes_list: Any, **kwargs: Any
) -> Any:
    """Return the result of an attention whose sizes of levels [levels, 2] follow the images."""
    import torch

    ends = [[torch.arange(size)[-1] for size in level] for level in spatial_shapes_list]
    sizes = torch.stack([torch.stack(level) for level in ends]) + 1
    shapes = {"spatial_shapes": sizes, "spatial_shapes_list": spatial_shapes_list}
    return type(module).forward(module, *args, **shapes, **kwargs)


def centres_of_places(
    spatial_shapes_list: Sequence[Sequence[Any]], valid_ratios: torch.Tensor, device: torch.device
) -> torch.Tensor:
    """Return the centre (x, y) of each place of all levels, as a share of the image, for each level
    [batch, places, levels, 2]. `valid_ratios` [batch, levels, 2] are the shares that are shown."""
    import torch

    centres = []
    for level, sizes in enumerate(spatial_shapes_list):
        rows, columns = (torch.arange(size, device=device) + 0.5 for size in sizes)
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).flatten(0, 1)
        ends = torch.stack([columns[-1], rows[-1]]) + 0.5
        centres.append(grid[None] / (valid_ratios[:, None, level] * ends))
    return torch.cat(centres, 1)[:, :, None] * valid_ratios[:, None]


register_rows(
    DetrOnnxConfig,
    Row(
        "conditional_detr",
        "ConditionalDetr",
        _TASKS,
        "queries have a reference point, whose sines the cross-attention sees apart from contents",
    ),
    Row(
        "table-transformer",
        "TableTransformer",
        _TASKS,
        "norms come before attention, and a last one follows the encoder",
    ),
)


def features_and_masks(
    module: Any, pixel_values: torch.Tensor, pixel_mask: torch.Tensor
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return the features of each stage [batch, channels, height, width] and their mask."""
    found = module.model(pixel_values)
    features = found["feature_maps"] if isinstance(found, dict) else found
    return [(one, shrunk_mask(pixel_mask, one.shape[-2:]).bool()) for one in features]


def shrunk_mask(mask: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Return a mask [batch, height, width] of other sizes, by the nearest pixel before each place.

    The step is rounded to float32, as in `torch.nn.functional.interpolate`.
    """
    import torch

    for axis, size in enumerate(sizes, start=1):
        before, after = torch.arange(mask.shape[axis]), torch.arange(size)
        step = (before[-1] + 1).float() / (after[-1] + 1).float()
        places = (after.float() * step).floor().long()
        mask = mask.index_select(axis, torch.minimum(places, before[-1]))
    return mask


def boxes_of_places(
    features: torch.Tensor, padding: torch.Tensor, sizes: Sequence[Sequence[Any]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a box for each place of all levels [batch, places, 4], and which places have none
    [batch, places, 1]: padding, and places at the border. Boxes have the dtype of `features`."""
    import torch

    boxes, start = [], 0
    for level, (height, width) in enumerate(sizes):
        shown = ~padding[:, start : start + height * width].view(-1, height, width)
        scale = torch.stack([shown[:, 0].sum(1), shown[:, :, 0].sum(1)], dim=-1)[:, None, None]
        rows, columns = torch.arange(height), torch.arange(width)
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
        centres = (grid.to(features.dtype) + 0.5) / scale
        size = torch.full_like(centres, 0.05 * 2.0**level)
        boxes.append(torch.cat((centres, size), dim=-1).flatten(1, 2))
        start = start + height * width
    box = torch.cat(boxes, dim=1)
    is_inside = ((box > 0.01) & (box < 0.99)).all(-1, keepdim=True)
    return box, padding.unsqueeze(-1) | ~is_inside
