"""PEGASUS-X."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.configs.architectures.bart import BartOnnxConfig
from harness.configs.task_table import SEQ2SEQ_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    import torch
    from torch import nn


@register("pegasus_x", tasks=SEQ2SEQ_TASKS)
class PegasusXOnnxConfig(BartOnnxConfig):
    """PEGASUS-X: its encoder attends within blocks, and through global tokens."""

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        return {"encoder_sequence_length": (self.config.block_size,)}

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        size, pad = self.config.block_size, self.config.pad_token_id
        _read_whole_blocks(model.get_encoder(), size=size, pad_token_id=pad)
        return model


def _read_whole_blocks(encoder: nn.Module, *, size: int, pad_token_id: int) -> None:
    """Have an exporter's copy of `encoder` read padding that is masked behind its text, up to the
    next multiple of `size`, and drop it again from what it returns. Transformers asks first whether
    any is missing, which tracing answers once for all lengths."""
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
