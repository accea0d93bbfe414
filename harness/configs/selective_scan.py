"""Layers of Mamba, whose recurrence over a prompt is a loop over its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.base import OnnxConfig
from harness.configs.replaced_functions import calling_instead

if TYPE_CHECKING:
    import torch
    from torch import nn

SCAN = "mamba_selective_scan"


class ScansTokens(OnnxConfig):
    """A capability: the recurrence of a prompt is transformers' selective scan."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Replace the loop over the tokens of a prompt, a trace of which holds for one length."""
        model = super().patch_model_for_export(model)
        calling_instead(model, SCAN, lambda _: _scan)
        return model


def _scan(
    tokens: torch.Tensor,
    steps: torch.Tensor,
    decay: torch.Tensor,
    keys: torch.Tensor,
    queries: torch.Tensor,
    *,
    z: torch.Tensor,
    delta_bias: torch.Tensor,
    return_last_state: bool,
    **options: Any,
) -> Any:
    """Return the outputs [batch, width, length], and if asked the last state.

    `keys` and `queries` are [batch, state size, length], `decay` is [width, state size].
    """
    from torch.nn.functional import silu, softplus

    from harness.configs.recurrences import selective_scan

    steps = softplus(steps + delta_bias[:, None])
    by_token, keys, queries = (t.permute(2, 0, 1) for t in (steps, keys, queries))
    added = (by_token * tokens.permute(2, 0, 1))[..., None] * keys[:, :, None]
    last, outputs = selective_scan((by_token[..., None] * decay).exp(), added, queries)
    outputs = (outputs.permute(1, 2, 0) + tokens * options["D"][:, None]) * silu(z)
    return (outputs, last) if return_last_state else outputs
