"""ConvNeXt and its relatives: patches of pixels, then of positions, without any padding."""

from __future__ import annotations

from harness.configs.rows import Row, register_rows
from harness.configs.strided import Grid, StridedVisionOnnxConfig
from harness.configs.task_table import Axes
from harness.configs.tasks import register

_TASKS = ("feature-extraction", "image-classification")


@register("convnext", tasks=_TASKS)
class ConvNextOnnxConfig(StridedVisionOnnxConfig):
    """ConvNeXt. Pixels and positions that fill no patch are dropped."""

    POOLED_AXES = {0: "batch_size"}

    @property
    def patch_size(self) -> int:
        """Height and width of a patch, in pixels."""
        return int(self.normalized_config.patch_size)

    @property
    def grid(self) -> Grid:
        grid = Grid().then(kernel=self.patch_size, stride=self.patch_size)
        for _ in self.normalized_config.depths[1:]:
            grid = grid.then(kernel=2, stride=2)
        return grid


register_rows(
    ConvNextOnnxConfig,
    Row("convnextv2", "ConvNextV2", _TASKS, "layers weigh channels by their norms over the image"),
)


@register("dinov3_convnext", tasks=("feature-extraction",))
class DINOv3ConvNextOnnxConfig(ConvNextOnnxConfig):
    """ConvNeXt of DINOv3. The mean of all positions stands before them, as a class token does."""

    @property
    def patch_size(self) -> int:
        """Height and width of a patch, which no setting states."""
        return 4

    @property
    def feature_axes(self) -> Axes:
        return {0: "batch_size", 1: f"{self.positions} + 1"}
