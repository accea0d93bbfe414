"""Switch Transformers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from harness.configs.architectures.t5 import T5OnnxConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.task_table import SEQ2SEQ_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("switch_transformers", tasks=SEQ2SEQ_TASKS)
class SwitchTransformersOnnxConfig(T5OnnxConfig):
    """Switch Transformers: a T5, every other layer of which sends each token to one expert."""

    ENCODER_OUTPUT = "MoEModelOutput"

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Ask every expert about every token, where transformers loops over those that were chosen,
        a number that depends on the tokens. Convert routers before, and not at each call."""
        for module in model.modules():
            if type(module).__name__ == "SwitchTransformersTop1Router":
                classifier = module.classifier.to(module.dtype)
                classifier.to = functools.partial(_converted, classifier)
        return replace_forward(model, "SwitchTransformersExperts", _forward_of_all_experts)


def _converted(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """What `module.to(dtype)` returns of a module that is so already."""
    return module


def _forward_of_all_experts(
    experts: nn.ModuleDict,
    hidden_states: torch.Tensor,
    selected_experts: torch.Tensor,
    routing_weights: torch.Tensor,
) -> torch.Tensor:
    """`hidden_states` [tokens, width], `selected_experts` [tokens, 1, experts] of 0 and 1,
    `routing_weights` [tokens, 1]."""
    weights = selected_experts[:, 0] * routing_weights
    terms = [e(hidden_states) * weights[:, i, None] for i, e in enumerate(experts.values())]
    return sum(terms[1:], terms[0])
