"""OWL-ViT and OWLv2: detect the objects that texts name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from harness.configs.base import NamedAxes
from harness.configs.middle_end import TextAndVisionOnnxConfig
from harness.configs.task_table import Axes
from harness.configs.tasks import register

OWL_TASKS = ("feature-extraction", "zero-shot-object-detection")


@register("owlvit", tasks=OWL_TASKS)
class OwlViTOnnxConfig(TextAndVisionOnnxConfig):
    """OWL-ViT. Each image of a batch has as many texts, and each patch of it is a candidate.

    A text is pooled at its largest id. One that starts with the id 0 is padding, and scores lowest.
    """

    @property
    def detects(self) -> bool:
        """Whether the task is detection. Else all texts are scored against all images."""
        return self.task == "zero-shot-object-detection"

    @property
    def inputs(self) -> Mapping[str, Axes]:
        if not self.detects:
            return super().inputs
        texts = {0: "batch_size * num_queries", 1: "sequence_length"}
        return {
            "input_ids": dict(texts),
            "pixel_values": {0: "batch_size"},
            "attention_mask": dict(texts),
        }

    @property
    def outputs(self) -> NamedAxes:
        if not self.detects:
            return super().outputs
        return OrderedDict(
            logits={0: "batch_size", 2: "num_queries"},
            pred_boxes={0: "batch_size"},
            text_embeds={0: "batch_size", 1: "num_queries"},
            image_embeds={0: "batch_size"},
        )


@register("owlv2", tasks=OWL_TASKS)
class Owlv2OnnxConfig(OwlViTOnnxConfig):
    """OWLv2: scores in addition whether a patch shows an object at all."""

    @property
    def outputs(self) -> NamedAxes:
        outputs = super().outputs
        if self.detects:
            outputs["objectness_logits"] = {0: "batch_size"}
        return outputs
