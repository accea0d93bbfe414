"""Layers of Mamba 2, whose recurrence over a prompt is computed in chunks of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.configs.base import OnnxConfig
from harness.configs.replaced_functions import calling_instead

if TYPE_CHECKING:
    import torch
    from torch import nn

SCAN = "mamba2_chunk_scan"


class GathersChunks(OnnxConfig):
    """A capability: the recurrence of a prompt is transformers' scan over chunks."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        """Gather the chunks. Transformers pads the last one, and compares lengths for that, so that
        torch.export holds for some lengths only; TorchScript writes its negative axes as they are.
        """
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
    chunk_size: int,
    return_final_states: bool,
    **options: Any,
) -> Any:
    """Return the outputs [batch, length, heads, width], and if asked the last state.

    Chunks are gathered, and the last one is filled with time steps of 0, which change no state.
    """
    import torch

    length, heads = tokens.shape[1], tokens.shape[2]
    # Two chunks at least, since torch.export treats an axis of size 1 in another way.
    chunks = torch.arange((length + 2 * chunk_size - 1) // chunk_size, device=tokens.device)
    places = chunks[:, None] * chunk_size + torch.arange(chunk_size, device=tokens.device)
    inside = places.clamp(max=length - 1)
    steps = _positive(steps, **options)[:, inside] * (places < length)[..., None]
    keys, queries = (_of_heads(t, heads)[:, inside] for t in (keys, queries))
    outputs, final = _scan_chunks(
        tokens[:, inside] * steps[..., None], (steps * decay).cumsum(dim=2), keys, queries
    )
    tokens_again = torch.arange(length, device=tokens.device)
    outputs = outputs.flatten(1, 2).index_select(1, tokens_again) + options["D"][:, None] * tokens
    return (outputs, final) if return_final_states else outputs


def _positive(
    steps: torch.Tensor, *, dt_bias: torch.Tensor, dt_limit: tuple[float, float], **_: Any
) -> torch.Tensor:
    """Return time steps within their limits: [batch, length, heads]."""
    from torch.nn.functional import softplus

    return softplus(steps + dt_bias).clamp(min=dt_limit[0], max=dt_limit[1])


def _of_heads(projections: torch.Tensor, heads: int) -> torch.Tensor:
    """Return what the heads of each group share for every head: [batch, length, heads, state]."""
    shared = heads // projections.shape[2]
    return projections.unsqueeze(3).expand(-1, -1, -1, shared, -1).flatten(2, 3)


def _scan_chunks(
    tokens: torch.Tensor, decays: torch.Tensor, keys: torch.Tensor, queries: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the outputs of all chunks, and the state after the last one.

    `decays` are the sums of logarithms up to each token of a chunk: [batch, chunks, tokens, heads].
    """
    import torch

    weights = _decayed(decays) * torch.einsum("bclhn,bcshn->bclsh", queries, keys)
    within = torch.einsum("bclsh,bcshp->bclhp", weights, tokens)
    whole = decays[:, :, -1]
    keys = keys * (whole[:, :, None] - decays).exp()[..., None]
    added = torch.einsum("bclhn,bclhp->bchpn", keys, tokens)
    # A state before all chunks that is 0: the sums then have one row for each chunk's beginning.
    states = torch.einsum(
        "bczh,bzhpn->bchpn",
        _decayed(torch.cat((whole[:, :1] * 0, whole), dim=1).cumsum(dim=1)),
        torch.cat((added[:, :1] * 0, added), dim=1),
    )
    before = torch.einsum("bclhn,bchpn->bclhp", queries, states[:, :-1])
    return within + before * decays.exp()[..., None], states[:, -1]


def _decayed(sums: torch.Tensor) -> torch.Tensor:
    """Return how much each place keeps of each earlier one, along the axis before the last.

    [..., places, heads] becomes [..., places, earlier places, heads].
    """
    import torch

    places = torch.arange(sums.shape[-2], device=sums.device)
    is_earlier = places[:, None] >= places
    differences = sums.unsqueeze(-2) - sums.unsqueeze(-3)
    return differences.masked_fill(~is_earlier[..., None], -torch.inf).exp()
