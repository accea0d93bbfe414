"""Decoders like Llama with an operator that TorchScript cannot export, spelled out for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.architectures.llama import LlamaOnnxConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.task_table import ANSWERING_TASKS, GENERATING_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("apertus", tasks=(*GENERATING_TASKS, "token-classification"))
class ApertusOnnxConfig(LlamaOnnxConfig):
    """Apertus: an xIELU with two learned slopes in place of a gate, normalised queries and keys."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Write exp(x) - 1 by the hyperbolic tangent, for which TorchScript has an operator."""
        return replace_forward(model, "XIELUActivation", _xielu)


def _xielu(module: Any, x: torch.Tensor) -> torch.Tensor:
    """xIELU with exp(y) - 1 = 2 t / (1 - t), t = tanh(y / 2), exact to rounding for y <= 0."""
    from torch import where
    from torch.nn.functional import softplus

    half = (x.minimum(module.eps) / 2).tanh()
    bent = 2 * half / (1 - half) - x
    negative = bent * (module.beta + softplus(module.alpha_n))
    return where(x > 0, softplus(module.alpha_p) * x * x, negative) + module.beta * x


@register("diffllama", tasks=ANSWERING_TASKS)
class DiffLlamaOnnxConfig(LlamaOnnxConfig):
    """DiffLlama: attention is the difference of two softmaxes."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Spell out the normalisation of heads, for which TorchScript has no operator."""
        return replace_forward(model, "RMSNorm", _normalised)


def _normalised(norm: Any, x: torch.Tensor) -> torch.Tensor:
    """`x` over its root mean square, without a weight."""
    return x * (x.square().mean(-1, keepdim=True) + norm.eps).rsqrt()
