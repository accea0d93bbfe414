"""Layers with a gated delta rule, whose recurrence over a prompt goes in chunks of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.base import OnnxConfig
from harness.configs.replaced_functions import calling_instead

if TYPE_CHECKING:
    import torch
    from torch import nn

SCAN = "torch_chunk_gated_delta_rule"


class AppliesDeltaRule(OnnxConfig):
    """A capability: the recurrence of a prompt is transformers' delta rule over chunks."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Apply the rule to one token after the other, as transformers does for a single one. It
        takes the tokens of a prompt in chunks, by a loop whose trace holds for one length."""
        model = super().patch_model_for_export(model)
        calling_instead(model, SCAN, lambda _: _rule)
        return model


def _rule(
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    *,
    g: torch.Tensor,
    beta: torch.Tensor,
    output_final_state: bool,
    **_: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return the outputs [batch, length, value heads, value size], and if asked the last state.

    A prompt has no state before, and transformers always asks for keys and queries of length 1.
    `g` is the logarithm of what a token keeps of the state before, and `beta` how far it corrects
    it: [batch, length, value heads].
    """
    from harness.configs.recurrences import gated_delta_scan

    heads, size = values.shape[2], keys.shape[3]
    queries, keys = (_of_length_1(_of_heads(t, heads)) for t in (queries, keys))
    by_token = (t.transpose(0, 1) for t in (g.exp(), beta, queries * size**-0.5, keys, values))
    last, outputs = gated_delta_scan(*by_token)
    # TorchScript refuses to transpose what a loop returns at opsets 11 and 12.
    return outputs.permute(1, 0, 2, 3), last if output_final_state else None


def _of_heads(shared: torch.Tensor, heads: int) -> torch.Tensor:
    """Return what several heads of values share for each of them."""
    group = heads // shared.shape[2]
    return shared.unsqueeze(3).expand(-1, -1, -1, group, -1).flatten(2, 3)


def _of_length_1(vectors: torch.Tensor) -> torch.Tensor:
    squares: torch.Tensor = (vectors * vectors).sum(dim=-1, keepdim=True)
    return vectors * (squares + 1e-6).rsqrt()
