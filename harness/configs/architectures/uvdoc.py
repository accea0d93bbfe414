"""UVDoc: where the points of a grid on a photographed page lie in the picture."""

from __future__ import annotations

from harness.configs.block_images import DummyBlockImageInputGenerator
from harness.configs.normalized_config import NormalizedVisionConfig
from harness.configs.strided import Grid, StridedVisionOnnxConfig
from harness.configs.tasks import register


class NormalizedUVDocConfig(NormalizedVisionConfig):
    """A backbone, whose convolutions are listed with their channels."""

    @property
    def num_channels(self) -> int:
        return int(self.config.backbone_config.resnet_head[0][0])

    @property
    def halvings(self) -> int:
        """The number of convolutions that halve an image."""
        backbone = self.config.backbone_config
        blocks = (block for stage in backbone.resnet_configs for block in stage)
        return len(backbone.resnet_head) + sum(bool(halves) for *_, halves in blocks)


@register("uvdoc", tasks=("feature-extraction",))
class UVDocOnnxConfig(StridedVisionOnnxConfig):
    """UVDoc. Two numbers for each place of the last stage: where its point lies.

    Convolutions pad with reflected features, so there are more places than they pad.
    """

    NORMALIZED_CONFIG_CLASS = NormalizedUVDocConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (DummyBlockImageInputGenerator,)

    @property
    def grid(self) -> Grid:
        grid = Grid()
        for _ in range(self.normalized_config.halvings):
            grid = grid.divided(2)
        return grid

    @property
    def least_pixels(self) -> int:
        return self.grid.pixels(self.normalized_config.kernel_size // 2 + 1)
