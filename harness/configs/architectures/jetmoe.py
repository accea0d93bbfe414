"""JetMoE."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.task_table import DECODER_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("jetmoe", tasks=DECODER_TASKS)
class JetMoeOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """JetMoE: experts project the queries and the output of attention as well."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Multiply each token by the gathered weights of its experts, where tokens are sorted by
        their expert: how many there are of each would become a constant."""
        for module in model.modules():
            kind = type(module).__name__
            if kind == "JetMoeMoE":
                vars(module)["forward"] = partial(_mixed, module)
            elif kind == "JetMoeMoA":
                vars(module)["map"] = partial(_queries, module)
                vars(module)["reduce"] = partial(_reduced, module)
        return model


def _mixed(experts: Any, hidden: torch.Tensor) -> torch.Tensor:
    """What the chosen experts make of each token: [batch, length, width] of both."""
    shares, chosen, _ = _routed(experts.router, hidden)
    gate, inner = _of_each(experts.input_linear, chosen, hidden).chunk(2, dim=-1)
    outputs = _of_each(experts.output_linear, chosen, experts.activation(gate) * inner)
    return _sum(outputs, shares) + experts.bias


def _queries(experts: Any, hidden: torch.Tensor) -> tuple[Any, ...]:
    """Return queries, the router's logits, and the routing (shares and indices of the experts).

    Queries are of each chosen expert: [batch, length, chosen experts, heads x head size].
    """
    shares, chosen, logits = _routed(experts.router, hidden)
    return _of_each(experts.input_linear, chosen, hidden), logits, (shares, chosen)


def _reduced(experts: Any, attended: torch.Tensor, routed: tuple[torch.Tensor, ...]) -> Any:
    """Return the sum of the chosen experts' projections of `attended`: [batch, length, width]."""
    shares, chosen = routed
    return _sum(_of_each(experts.output_linear, chosen, attended), shares) + experts.bias


def _routed(router: Any, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Shares and indices of the chosen experts, [batch, length, chosen], and all logits."""
    logits = router.layer(hidden).float()
    best, chosen = logits.topk(router.top_k, dim=-1)
    return best.softmax(dim=-1).type_as(hidden), chosen, logits


def _of_each(linear: Any, chosen: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Each chosen expert's product with its own or with the only input of a token."""
    inputs = hidden if hidden.dim() > chosen.dim() else hidden.unsqueeze(-2)
    return (linear.weight[chosen] @ inputs.unsqueeze(-1)).squeeze(-1)


def _sum(outputs: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    return (outputs * shares.unsqueeze(-1)).sum(dim=-2)
