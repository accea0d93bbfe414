"""ViT, and others that refuse any image that is not `image_size`."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from harness.configs.base import NamedAxes
from harness.configs.dummy_inputs import DummyInputGenerator, DummyVisionInputGenerator
from harness.configs.feed_generators import Dims
from harness.configs.middle_end import VisionOnnxConfig
from harness.configs.rows import Row, register_rows
from harness.configs.task_table import Axes
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch

TASKS = ("feature-extraction", "image-classification")


@register("vit", tasks=(*TASKS, "masked-im"))
class ViTOnnxConfig(VisionOnnxConfig):
    """ViT. Eager refuses any image that is not `image_size`, so only the batch is dynamic.

    `masked-im` takes pixels alone, as in Optimum, whose files are checked against this too.
    """


register_rows(
    ViTOnnxConfig,
    Row("vit_msn", "ViTMSN", TASKS, "has no pooling layer"),
    Row("ijepa", "IJepa", TASKS, "has no class token, and classifies the mean of the patches"),
    Row(
        "pvt",
        "Pvt",
        TASKS,
        "stages have tables of positions, which it reshapes to the image and never resizes",
    ),
)


class PooledViTOnnxConfig(ViTOnnxConfig):
    """ViTs whose model returns a pooled output too."""

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.task == "feature-extraction":
            outputs["pooler_output"] = {0: "batch_size"}
        return outputs


register_rows(
    PooledViTOnnxConfig,
    Row("deit", "DeiT", (*TASKS, "masked-im"), "a token for distillation follows the class token"),
    Row("hiera", "Hiera", TASKS, "attends within units of the image, and pools queries by stages"),
    Row("levit", "Levit", TASKS, "attention has a bias for each pair of positions"),
)


class DummyNoiseInputGenerator(DummyInputGenerator):
    """Noise whose order shuffles the patches: float32 [batch, patches], from 0 to below 1.

    No two values of a row are equal, since eager may order equal ones in any way.
    """

    SUPPORTED_INPUT_NAMES = ("noise",)
    MODALITY = "vision"

    def generate(self, name: str, dims: Dims) -> torch.Tensor:
        sides = zip(
            self.normalized_config.image_height_width,
            self.normalized_config.patch_height_width,
            strict=True,
        )
        patches = prod(image // patch for image, patch in sides)
        return self._normal((dims[0], patches)).argsort(dim=1) / patches


@register("vit_mae", tasks=("feature-extraction",))
class ViTMAEOnnxConfig(ViTOnnxConfig):
    """ViT MAE. It masks patches at random in eval mode too, by the order of a noise that it draws
    if none is given. So the noise is an input."""

    DUMMY_INPUT_GENERATOR_CLASSES = (DummyNoiseInputGenerator, DummyVisionInputGenerator)

    @property
    def inputs(self) -> Mapping[str, Axes]:
        return {**super().inputs, "noise": {0: "batch_size"}}

    @property
    def outputs(self) -> NamedAxes:
        """The hidden states of the patches that are left, the mask of the others, and the places
        to which the shuffled patches return."""
        more = {name: {0: "batch_size"} for name in ("mask", "ids_restore")}
        return NamedAxes({**super().outputs, **more})
