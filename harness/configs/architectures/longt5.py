"""LongT5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.configs.architectures.t5 import T5OnnxConfig
from harness.configs.task_table import SEQ2SEQ_TASKS
from harness.configs.tasks import register


@register("longt5", tasks=SEQ2SEQ_TASKS)
class LongT5OnnxConfig(T5OnnxConfig):
    """LongT5: its encoder attends to what is near, and to sums of blocks of the whole text."""

    @property
    def axis_landmarks(self) -> Mapping[str, Sequence[int]]:
        """The encoder reads a text in blocks: of what is near, and of what it sums up."""
        landmarks = dict(super().axis_landmarks)
        blocks = {self.config.local_radius + 1}
        if self.config.encoder_attention_type == "transient-global":
            blocks.add(self.config.global_block_size)
        encoder = "encoder_sequence_length"
        return {**landmarks, encoder: sorted({*landmarks[encoder], *blocks})}
