"""PEGASUS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.configs.architectures._blocks import read_whole_blocks
from harness.configs.architectures.bart import (
    DECODER_TASKS,
    BartDecoderOnnxConfig,
    BartOnnxConfig,
)
from harness.configs.seq2seq import SEQ2SEQ_TASKS
from harness.configs.tasks import register

if TYPE_CHECKING:
    from torch import nn


@register("pegasus", tasks=SEQ2SEQ_TASKS)
class PegasusOnnxConfig(BartOnnxConfig):
    """PEGASUS: sinusoidal positions, norms before attention."""


@register("pegasus", tasks=DECODER_TASKS)
class PegasusDecoderOnnxConfig(BartDecoderOnnxConfig):
    """PEGASUS's decoder alone."""

    ATOL_FOR_VALIDATION = 2.5e-5


@register("pegasus_x", tasks=SEQ2SEQ_TASKS)
class PegasusXOnnxConfig(PegasusOnnxConfig):
    """PEGASUS-X: its encoder attends within blocks, and through global tokens."""

    def patch_model_for_export(self, model: nn.Module) -> nn.Module:
        size, pad = self.config.block_size, self.config.pad_token_id
        read_whole_blocks(model.get_encoder(), size=size, pad_token_id=pad)
        return model
