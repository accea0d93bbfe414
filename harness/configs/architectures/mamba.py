"""Mamba: layers that keep states alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.configs.cache_layout import CacheEntry, state
from harness.configs.calls import PartCall
from harness.configs.recurrent import TextRecurrentDecoderOnnxConfig
from harness.configs.replaced_functions import calling_instead
from harness.configs.task_table import GENERATING_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn

SCAN = "mamba_selective_scan"


@register("mamba", tasks=GENERATING_TASKS)
class MambaOnnxConfig(TextRecurrentDecoderOnnxConfig):
    """Mamba: each layer keeps the states of a convolution and of a recurrence, and no keys."""

    @property
    def call(self) -> PartCall:
        return PartCall(cache="cache_params")

    @property
    def layers_cache(self) -> Iterator[CacheEntry]:
        config = self.config
        width = int(config.expand * config.hidden_size)
        for layer in range(config.num_hidden_layers):
            yield state(layer, "conv", "conv_states[0]", (width, config.conv_kernel))
            yield state(layer, "recurrent", "recurrent_states[0]", (width, config.state_size))

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
