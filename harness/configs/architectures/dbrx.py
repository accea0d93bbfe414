"""DBRX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.middle_end import TextDecoderWithPositionIdsOnnxConfig
from harness.configs.normalized_config import NormalizedTextConfig
from harness.configs.replaced_functions import replace_forward
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


class NormalizedDbrxConfig(NormalizedTextConfig):
    """DBRX's, which nests what its attention has."""

    @property
    def num_key_value_heads(self) -> int:
        return int(self.config.attn_config.kv_n_heads)


@register("dbrx", tasks=GENERATING_TASKS)
class DbrxOnnxConfig(TextDecoderWithPositionIdsOnnxConfig):
    """DBRX: experts that transformers runs in one way alone, queries, keys and values clipped."""

    NORMALIZED_CONFIG_CLASS = NormalizedDbrxConfig.with_args(
        hidden_size="d_model",
        num_layers="n_layers",
        num_attention_heads="n_heads",
        max_positions="max_seq_len",
    )

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Multiply each token by the gathered weights of its experts: a loop over the experts that
        were met keeps the experts of the example."""
        return replace_forward(model, "DbrxExperts", _gathered)


def _gathered(
    experts: Any, hidden: torch.Tensor, chosen: torch.Tensor, shares: torch.Tensor
) -> torch.Tensor:
    """What the chosen experts make of each token, by shares: [tokens, chosen] of both."""
    import torch

    stacked = (experts.num_experts, experts.ffn_hidden_size, experts.hidden_size)
    gate, up, down = (
        getattr(experts.mlp, name).view(stacked)[chosen] for name in ("w1", "v1", "w2")
    )
    tokens = hidden.reshape(-1, 1, experts.hidden_size, 1)
    inner = experts.mlp.activation_fn(gate @ tokens) * (up @ tokens)
    outputs = torch.matmul(inner.transpose(2, 3), down).squeeze(2)
    return (outputs * shares.unsqueeze(-1)).sum(dim=1).view(hidden.shape)
