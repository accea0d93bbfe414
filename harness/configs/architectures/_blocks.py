"""Encoders that attend within blocks, and fill up the last one where a text ends inside it.

Transformers asks first whether it does, a question that tracing answers once for all lengths. So
the exporter's copy fills it up whether anything is missing or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn


def read_whole_blocks(encoder: nn.Module, *, size: int, pad_token_id: int) -> None:
    """Have an exporter's copy of `encoder` read padding that is masked behind its text, up to the
    next multiple of `size`, and drop it again from what it returns."""
    from torch.nn.functional import pad

    forward = encoder.forward

    def forward_whole_blocks(
        input_ids: torch.Tensor, attention_mask: torch.Tensor, **keywords: Any
    ) -> Any:
        length = input_ids.shape[1]
        missing = (length + size - 1) // size * size - length
        outputs = forward(
            input_ids=pad(input_ids, (0, missing), value=pad_token_id),
            attention_mask=pad(attention_mask, (0, missing), value=0),
            **keywords,
        )
        outputs.last_hidden_state = outputs.last_hidden_state[:, :length]
        return outputs

    encoder.forward = forward_whole_blocks
