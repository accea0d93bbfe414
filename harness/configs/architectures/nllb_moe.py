"""NLLB-MoE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.architectures.m2m_100 import M2M100OnnxConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.task_table import SEQ2SEQ_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

UNLIMITED = 1 << 30


@register("nllb-moe", tasks=SEQ2SEQ_TASKS)
class NllbMoeOnnxConfig(M2M100OnnxConfig):
    """NLLB-MoE: an M2M-100, some layers of which send each token to two experts."""

    ENCODER_OUTPUT = "MoEModelOutput"

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Ask every expert about every token, where transformers loops over those that were chosen.
        Where experts have room for all tokens, say so without counting those of the export. Convert
        routers before, and not at each call."""
        for module in model.modules():
            if type(module).__name__ == "NllbMoeTop2Router":
                _fix_router(module)
        return replace_forward(model, "NllbMoeExperts", _forward_of_all_experts)


def _fix_router(router: Any) -> None:
    router._cast_classifier()
    router._cast_classifier = _nothing
    if router.moe_eval_capacity_token_fraction >= 1:
        router.moe_eval_capacity_token_fraction, router.expert_capacity = 0, UNLIMITED


def _nothing() -> None:
    """What is left to do at each call."""


def _forward_of_all_experts(
    experts: nn.ModuleDict,
    hidden_states: torch.Tensor,
    router_mask: torch.Tensor,
    router_probs: torch.Tensor,
) -> torch.Tensor:
    """`hidden_states` [tokens, width], `router_mask` and `router_probs` [tokens, experts].

    As in transformers, what an entry of the mask is stands for the expert, not where it stands.
    """
    terms = [
        expert(hidden_states) * ((router_mask == i) * router_probs).sum(dim=1, keepdim=True)
        for i, expert in enumerate(experts.values())
    ]
    return sum(terms[1:], terms[0]) * (1 - experts.moe_token_dropout)
