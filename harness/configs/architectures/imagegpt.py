"""ImageGPT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from harness.configs.architectures.gpt2 import NAMES, with_room_beyond_the_last_position
from harness.configs.middle_end import TextEncoderOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.tasks import register

if TYPE_CHECKING:
    from torch import nn


@register("imagegpt", tasks=("feature-extraction", "image-classification"))
class ImageGPTOnnxConfig(TextEncoderOnnxConfig):
    """ImageGPT reads an image as a row of pixels, each by the number of its colour."""

    NORMALIZED_CONFIG_CLASS = NormalizedTextConfig.with_args(**NAMES)
    INPUT_NAMES = ("input_ids",)
    OMITTED_INPUTS: ClassVar[Mapping[str, str]] = {
        "attention_mask": "processors of images return none, since images are not padded"
    }

    @property
    def model_kwargs(self) -> Mapping[str, Any]:
        return {"use_cache": False}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        return with_room_beyond_the_last_position(model)
