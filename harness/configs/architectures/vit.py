"""ViT."""

from __future__ import annotations

from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.tasks import register


@register("vit", tasks=("feature-extraction", "image-classification", "masked-im"))
class ViTOnnxConfig(VisionOnnxConfig):
    """ViT. Eager refuses any image that is not `image_size`, so only the batch is dynamic.

    `masked-im` takes pixels alone, as in Optimum, whose files are checked against this too.
    """
