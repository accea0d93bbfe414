"""YOLOS."""

from __future__ import annotations

from harness.configs.architectures.dinov2 import InterpolatedViTOnnxConfig
from harness.configs.tasks import register


@register("yolos", tasks=("feature-extraction", "object-detection"))
class YolosOnnxConfig(InterpolatedViTOnnxConfig):
    """YOLOS: tokens that find one object each follow the patches of an image of any size."""

    @property
    def prefix_tokens(self) -> int:
        return 1 + int(self.normalized_config.num_detection_tokens)
