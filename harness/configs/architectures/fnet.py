"""FNet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.configs.architectures.bert import BertOnnxConfig
from harness.configs.task_table import ENCODER_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("fnet", tasks=ENCODER_TASKS)
class FNetOnnxConfig(BertOnnxConfig):
    """FNet: mixes tokens by a Fourier transform, which no mask can hide any of."""

    INPUT_NAMES = ("input_ids", "token_type_ids")

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Transform by products with matrices of sines and cosines, as transformers does on TPUs:
        torch.onnx has no complex numbers to transform into."""
        for module in model.modules():
            if hasattr(module, "fourier_transform"):
                module.forward = _transform
        return model


def _transform(hidden: torch.Tensor) -> tuple[torch.Tensor]:
    """The real part of the discrete Fourier transform over tokens and width."""
    (cos, sin), (wide_cos, wide_sin) = (_cos_sin(size, hidden) for size in hidden.shape[1:])
    return (cos @ hidden @ wide_cos - sin @ hidden @ wide_sin,)


def _cos_sin(size: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    numbers = torch.arange(size, device=like.device)
    # Of a tensor, not of a number: onnxscript translates no remainder by a size known at run time.
    turns = (numbers[:, None] * numbers % torch.full_like(numbers, size)).to(like.dtype) / size
    return torch.cos(2 * math.pi * turns), torch.sin(2 * math.pi * turns)
