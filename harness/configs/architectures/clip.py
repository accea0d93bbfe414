"""CLIP."""

from __future__ import annotations

from harness.configs.middle_end import TextAndVisionOnnxConfig
from harness.configs.tasks import register


@register(
    "clip", tasks=("feature-extraction", "image-classification", "zero-shot-image-classification")
)
class CLIPOnnxConfig(TextAndVisionOnnxConfig):
    """CLIP. Eager refuses any image that is not `image_size` squared, so of the axes of
    `pixel_values` only the batch is dynamic.

    A text is pooled at its first end token or, where a configuration has the end token 2 as the
    published ones do, at its largest id: the tiny model of `feature-extraction` does the one, that
    of `zero-shot-image-classification` the other.
    """

    ATOL_FOR_VALIDATION = {
        "feature-extraction": 1.2e-5,
        "image-classification": 1.8e-4,
        "zero-shot-image-classification": 1.4e-5,
    }
