"""RT-DETR and its relatives, which start from the best places of a pyramid of features."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from harness.configs.axis_space import AxisRange
from harness.configs.block_images import DummyBlockImageInputGenerator
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.normalized_config import NormalizedBackboneConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import Axes
from harness.configs.tasks import register

_TASKS = ("feature-extraction", "object-detection")


@register("rt_detr", tasks=_TASKS)
class RTDetrOnnxConfig(VisionOnnxConfig):
    """RT-DETR. Height and width are multiples of the coarsest stride, since features of all strides
    are enlarged onto each other.

    Queries are the places with the best scores, so an image has at least as many places as there
    are queries. A mask of pixels is not an input: the model computes masks of features from it and
    does not use them.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedBackboneConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyBlockImageInputGenerator,)
    DIVIDED_AXES = frozenset({"height", "width"})

    @property
    def inputs(self) -> Mapping[str, Axes]:
        axes = {0: "batch_size"}
        is_free = self.normalized_config.anchor_image_size is None
        return {"pixel_values": {**axes, 2: "height", 3: "width"} if is_free else axes}

    @property
    def fixed_sizes(self) -> Mapping[str, Mapping[int, int]]:
        """Height and width of images for which the model keeps its anchors."""
        sizes = self.normalized_config.anchor_image_size or ()
        return {"pixel_values": dict(enumerate(sizes, start=2))}

    @property
    def strides(self) -> Sequence[int]:
        """Pixels of a place in each level of the pyramid, ascending."""
        return sorted(int(stride) for stride in self.normalized_config.feat_strides)

    @property
    def attended_positions(self) -> str | None:
        """Of the coarsest level: its places attend to all others."""
        if self.normalized_config.anchor_image_size is not None:
            return None
        return f"(height // {self.strides[-1]}) * (width // {self.strides[-1]})"

    @property
    def axis_ranges(self) -> Mapping[str, AxisRange]:
        coarsest, queries = self.strides[-1], int(self.normalized_config.num_queries)
        places = sum((coarsest // stride) ** 2 for stride in self.strides)
        least = next(n for n in itertools.count(1) if n * n * places >= queries)
        low, high = least * coarsest, (least + 5) * coarsest
        height = AxisRange(low, high, export=(least + 1) * coarsest, step=coarsest)
        width = AxisRange(low, high, export=(least + 3) * coarsest, step=coarsest)
        return {"height": height, "width": width, **super().axis_ranges}


register_rows(
    RTDetrOnnxConfig,
    Row("d_fine", "DFine", _TASKS, "boxes are refined as distributions over distances"),
    Row("rt_detr_v2", "RTDetrV2", _TASKS, "the points that a query reads may be rounded to places"),
)
