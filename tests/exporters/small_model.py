"""A model of one linear layer: its export takes a third of the time of a tiny ViT."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import ImageClassifierOutput

from harness import ViTOnnxConfig
from tests.conftest import Subject, make_subject

TASK = "image-classification"


class SmallClassifier(nn.Module):
    """Classifies the mean colour of an image; it has ViT's interface."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.classifier = nn.Linear(config.num_channels, config.num_labels)

    def forward(
        self, pixel_values: torch.Tensor, return_dict: bool | None = None
    ) -> ImageClassifierOutput:
        return ImageClassifierOutput(logits=self.classifier(pixel_values.mean(dim=(2, 3)).tanh()))


def small_subject() -> Subject:
    """Return a new subject with random weights."""
    config = make_subject("vit", TASK).model.config
    return Subject(SmallClassifier(config).eval(), ViTOnnxConfig(config, task=TASK))
