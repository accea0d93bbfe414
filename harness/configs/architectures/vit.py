"""ViT, and other image models that take images of one size."""

from __future__ import annotations

from harness.configs.base import NamedAxes
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.tasks import register


@register("vit", tasks=("feature-extraction", "image-classification", "masked-im"))
class ViTOnnxConfig(VisionOnnxConfig):
    """ViT. Eager refuses any image that is not `image_size`, so only the batch is dynamic.

    `masked-im` takes pixels alone, as in Optimum, whose files are checked against this too.
    """


register_rows(
    ViTOnnxConfig,
    Row(
        "pvt",
        "Pvt",
        ("feature-extraction", "image-classification"),
        "stages have tables of positions, which it reshapes to the image and never resizes",
    ),
)


@register("levit", tasks=("feature-extraction", "image-classification"))
class LevitOnnxConfig(ViTOnnxConfig):
    """LeViT. Its attention has a bias for each pair of positions, so images have one size."""

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "feature-extraction":
            outputs["pooler_output"] = {0: "batch_size"}
        return outputs
