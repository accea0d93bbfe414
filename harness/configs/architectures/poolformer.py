"""PoolFormer, CvT and SwiftFormer: convolutions that shrink the map before each stage."""

from __future__ import annotations

from harness.configs.base import NamedAxes
from harness.configs.strided import Grid, StridedVisionOnnxConfig
from harness.configs.tasks import register

_TASKS = ("feature-extraction", "image-classification")


@register("poolformer", tasks=_TASKS)
class PoolFormerOnnxConfig(StridedVisionOnnxConfig):
    """PoolFormer. The configuration states kernel, stride and padding of each stage."""

    @property
    def grid(self) -> Grid:
        config = self.normalized_config
        return Grid().through(config.patch_sizes, config.strides, config.padding)


@register("cvt", tasks=_TASKS)
class CvtOnnxConfig(StridedVisionOnnxConfig):
    """CvT. The last stage may have a class token, which is an output of its own."""

    @property
    def grid(self) -> Grid:
        config = self.normalized_config
        return Grid().through(config.patch_sizes, config.patch_stride, config.patch_padding)

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "feature-extraction" and self.normalized_config.cls_token[-1]:
            outputs["cls_token_value"] = {0: "batch_size"}
        return outputs


@register("swiftformer", tasks=_TASKS)
class SwiftFormerOnnxConfig(StridedVisionOnnxConfig):
    """SwiftFormer. Two convolutions halve first; the configuration states all later ones alike."""

    @property
    def grid(self) -> Grid:
        config, grid = self.normalized_config, Grid().divided(4)
        for stage in range(len(config.depths) - 1):
            if (
                config.downsamples[stage]
                or config.embed_dims[stage] != config.embed_dims[stage + 1]
            ):
                grid = grid.then(
                    kernel=config.down_patch_size,
                    stride=config.down_stride,
                    padding=config.down_pad,
                )
        return grid
